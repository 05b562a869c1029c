-- verb: every verb in which a job ends that others wait for
-- parameters: parent
-- columns: none
-- index: edge_parent
DELETE FROM edge
WHERE parent = ?1 AND look_ms IS NULL
