-- verb: every verb that touches jobs with limits: of a meter that knows nothing
-- parameters: queue, meter
-- columns: none
-- index: the primary key of held
DELETE FROM held
WHERE queue = ?1 AND meter = ?2
