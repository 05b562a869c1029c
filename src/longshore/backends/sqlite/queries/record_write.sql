-- verb: put
-- parameters: kind, key, value, version, session, expires_ms
-- columns: none
-- index: the primary key of record
INSERT OR REPLACE INTO record (kind, key, value, version, session, expires_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
