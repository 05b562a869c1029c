-- verb: promote: history that is too old
-- parameters: queue, the first minute that is kept
-- columns: none
-- index: the primary key of minute
DELETE FROM minute
WHERE queue = ?1 AND minute < ?2
