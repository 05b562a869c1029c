-- verb: every verb by which a job is blocked no more
-- parameters: child
-- columns: none
-- index: edge_child
DELETE FROM edge
WHERE child = ?1
