-- verb: promote: parents that were not there
-- parameters: now_ms
-- columns: look_ms, number, parent, child, place
-- index: edge_look
SELECT look_ms, number, parent, child, place
FROM edge
WHERE look_ms <= ?1
