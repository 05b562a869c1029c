-- verb: promote
-- parameters: none
-- columns: when the first waiting job is due, or the first meter that holds one
-- index: job_due and meter_due
SELECT min(at_ms)
FROM (
    SELECT * FROM (SELECT run_ms AS at_ms FROM job WHERE state IN (1, 5) ORDER BY run_ms LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT due_ms FROM meter WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1)
)
