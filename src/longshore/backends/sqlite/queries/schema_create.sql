-- verb: open and migrate
-- parameters: none
-- columns: none
-- index: none; it is the first statement of an empty file
CREATE TABLE IF NOT EXISTS schema_version (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_ms INTEGER NOT NULL
)
