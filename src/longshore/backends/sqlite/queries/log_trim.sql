-- verb: change: note
-- parameters: job (seq), the first number that is kept
-- columns: none
-- index: the primary key of log
DELETE FROM log
WHERE job = ?1 AND number < ?2
