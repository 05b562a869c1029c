-- verb: every transaction that puts jobs in line
-- parameters: none
-- columns: ord: the last place that was given
-- index: place (one row)
SELECT ord
FROM place
WHERE one = 1
