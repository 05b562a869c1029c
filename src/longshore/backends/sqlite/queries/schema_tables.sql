-- verb: open and migrate: what is in the file
-- parameters: none
-- columns: name
-- index: sqlite_schema, read as a whole (a row per table)
SELECT name
FROM sqlite_schema
WHERE type = 'table'
