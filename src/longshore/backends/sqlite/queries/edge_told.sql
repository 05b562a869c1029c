-- verb: promote: what one parent had to tell was told
-- parameters: number
-- columns: none
-- index: the rowid of edge
DELETE FROM edge
WHERE number = ?1
