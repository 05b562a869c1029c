-- verb: every verb in which a job ends that others wait for
-- parameters: parents (carray of blobs)
-- columns: parent, number, child, place, in no order
-- index: edge_parent
SELECT parent, number, child, place
FROM edge
WHERE parent IN (SELECT value FROM carray(?1)) AND look_ms IS NULL
