-- verb: count
-- parameters: queue
-- columns: state, n
-- index: the primary key of tally
SELECT state, n
FROM tally
WHERE queue = ?1
