-- verb: settle of a rescue, and extend with a lease of nothing
-- parameters: session
-- columns: none
-- index: the primary key of session
DELETE FROM session
WHERE name = ?1
