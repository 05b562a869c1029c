-- verb: every verb that touches jobs with limits: new meters
-- parameters: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- columns: none
-- index: the primary key of meter
INSERT INTO meter (
    queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
