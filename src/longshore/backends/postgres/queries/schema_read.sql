-- verb: open, migrate
-- parameters: none
-- columns: version, checksum
-- index: the primary key of schema_version
SELECT version, checksum
FROM {schema}.{prefix}schema_version
ORDER BY version
