-- verb: open and migrate
-- parameters: version, name, checksum, applied_ms
-- columns: none
-- index: the rowid of schema_version
INSERT INTO schema_version (version, name, checksum, applied_ms)
VALUES (?1, ?2, ?3, ?4)
