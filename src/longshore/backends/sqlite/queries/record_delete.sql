-- verb: put
-- parameters: kind, key
-- columns: none
-- index: the primary key of record
DELETE FROM record
WHERE kind = ?1 AND key = ?2
