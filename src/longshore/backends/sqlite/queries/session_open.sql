-- verb: extend
-- parameters: session, until_ms
-- columns: none
-- index: the primary key of session
INSERT INTO session (name, until_ms)
VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET until_ms = excluded.until_ms
