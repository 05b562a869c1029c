-- verb: scan: what blocked jobs still wait for
-- parameters: seqs (JSON array)
-- columns: child, place, parent, in no order
-- index: edge_child
SELECT child, place, parent
FROM edge
WHERE child IN (SELECT value FROM json_each(?1))
