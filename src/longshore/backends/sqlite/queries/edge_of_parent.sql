-- verb: every verb in which a job ends that others wait for
-- parameters: parent
-- columns: child, place
-- index: edge_parent
SELECT child, place
FROM edge
WHERE parent = ?1 AND look_ms IS NULL
ORDER BY number
