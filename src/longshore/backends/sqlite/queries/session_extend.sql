-- verb: extend
-- parameters: session, until_ms
-- columns: name, if the session is there
-- index: the primary key of session
UPDATE session
SET until_ms = ?2
WHERE name = ?1
RETURNING name
