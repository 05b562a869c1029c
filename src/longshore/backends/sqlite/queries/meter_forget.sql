-- verb: every verb that touches jobs with limits: a meter that knows nothing
-- parameters: queue, name
-- columns: none
-- index: the primary key of meter
DELETE FROM meter
WHERE queue = ?1 AND name = ?2
