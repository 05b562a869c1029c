-- verb: every verb that gives room, now and then: what a meter holds no more
-- parameters: queue, meter, priority, ord (of the last that goes)
-- columns: none
-- index: the primary key of held
DELETE FROM held
WHERE queue = ?1 AND meter = ?2 AND (priority, ord) <= (?3, ?4)
