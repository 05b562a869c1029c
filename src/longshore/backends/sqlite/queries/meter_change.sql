-- verb: every verb that touches jobs with limits: meters that are in the file
-- parameters: queue, name, kind, most, per_ms, burst, used, spent, held, wanted, due_ms
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
    due_ms = ?11
WHERE queue = ?1 AND name = ?2
