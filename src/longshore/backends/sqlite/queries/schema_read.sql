-- verb: open and migrate
-- parameters: none
-- columns: version, checksum
-- index: the rowid of schema_version, read as a whole (a row per step)
SELECT version, checksum
FROM schema_version
ORDER BY version
