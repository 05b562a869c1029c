-- verb: every verb by which a job comes that waits for others
-- parameters: parent, child, place, look_ms
-- columns: none
-- index: those of edge, by their entries
INSERT INTO edge (parent, child, place, look_ms)
VALUES (?, ?, ?, ?)
