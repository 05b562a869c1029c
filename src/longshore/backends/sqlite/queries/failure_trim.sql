-- verb: settle, with an error of a job that had many
-- parameters: job (seq), how many are kept
-- columns: none
-- index: the primary key of failure
DELETE FROM failure
WHERE job = ?1 AND fence <= (
    SELECT fence
    FROM failure
    WHERE job = ?1
    ORDER BY fence DESC
    LIMIT 1 OFFSET ?2
)
