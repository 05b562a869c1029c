-- verb: claim and settle: whether a session holds its lease
-- parameters: session, now_ms
-- columns: 1, or no row
-- index: the primary key of session
SELECT 1
FROM session
WHERE name = ?1 AND until_ms > ?2
