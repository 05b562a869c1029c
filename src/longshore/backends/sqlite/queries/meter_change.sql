-- verb: every verb that touches jobs with limits: meters that are in the file
-- parameters: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms, past_priority, past_ord, stale
-- columns: none
-- index: the primary key of meter
UPDATE meter
SET
    kind = ?3,
    most = ?4,
    per_ms = ?5,
    burst = ?6,
    used = ?7,
    spent = ?8,
    held = ?9,
    wanted = ?10,
    due_ms = ?11,
    past_priority = ?12,
    past_ord = ?13,
    stale = ?14
WHERE queue = ?1 AND name = ?2
