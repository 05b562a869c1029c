-- verb: settle and change, where jobs are forgotten
-- parameters: job (seq)
-- columns: none
-- index: the primary key of failure
DELETE FROM failure
WHERE job = ?1
