-- verb: promote, now and then: a queue in which no job has a tag
-- parameters: queue
-- columns: none
-- index: the primary key of turn
DELETE FROM turn
WHERE queue = ?1
