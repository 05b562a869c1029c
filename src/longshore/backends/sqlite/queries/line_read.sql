-- verb: every transaction that puts jobs in line
-- parameters: queue
-- columns: n (how many are pending), place (the last one that was given)
-- index: the primary key of tally
SELECT n, place
FROM tally
WHERE queue = ?1 AND state = 3
