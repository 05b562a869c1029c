-- verb: count and scan
-- parameters: none
-- columns: queue, state, n
-- index: the primary key of tally, read as a whole (a row per queue and state)
SELECT queue, state, n
FROM tally
ORDER BY queue, state
