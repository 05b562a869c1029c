-- verb: every transaction that puts jobs in line
-- parameters: ord
-- columns: none
-- index: place (one row)
UPDATE place
SET ord = ?1
WHERE one = 1
