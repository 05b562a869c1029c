-- verb: every transaction that adds jobs or ends claims
-- parameters: queue, minute, added, completed, failed, retried, crashed, run_ms
-- columns: none
-- index: the primary key of minute
INSERT INTO minute (queue, minute, added, completed, failed, retried, crashed, run_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (queue, minute) DO UPDATE SET
    added = added + excluded.added,
    completed = completed + excluded.completed,
    failed = failed + excluded.failed,
    retried = retried + excluded.retried,
    crashed = crashed + excluded.crashed,
    run_ms = run_ms + excluded.run_ms
