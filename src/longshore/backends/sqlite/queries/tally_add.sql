-- verb: every transaction that moves jobs
-- parameters: queue, state, difference
-- columns: n, as it is now
-- index: the primary key of tally
INSERT INTO tally (queue, state, n)
VALUES (?1, ?2, ?3)
ON CONFLICT (queue, state) DO UPDATE SET n = n + excluded.n
RETURNING n
