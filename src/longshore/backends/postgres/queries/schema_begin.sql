-- verb: migrate
-- parameters: none
-- columns: none
-- index: makes the primary key of schema_version
CREATE TABLE IF NOT EXISTS {schema}.{prefix}schema_version (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
