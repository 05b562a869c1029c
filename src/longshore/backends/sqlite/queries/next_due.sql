-- verb: promote
-- parameters: none
-- columns: when the first waiting job is due, or the first meter that holds one, or a parent is to be looked for
-- index: job_due, meter_due and edge_look
SELECT min(at_ms)
FROM (
    SELECT * FROM (SELECT run_ms AS at_ms FROM job WHERE state IN (1, 5) ORDER BY run_ms LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT due_ms FROM meter WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1)
    UNION ALL
    SELECT * FROM (SELECT look_ms FROM edge WHERE look_ms IS NOT NULL ORDER BY look_ms LIMIT 1)
)
