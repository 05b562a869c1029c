-- verb: settle and change, where jobs are forgotten
-- parameters: job (seq)
-- columns: none
-- index: the primary key of log
DELETE FROM log
WHERE job = ?1
