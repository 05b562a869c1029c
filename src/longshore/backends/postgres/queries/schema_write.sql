-- verb: migrate
-- parameters: $1 the number of the step, $2 its name, $3 its checksum
-- columns: none
-- index: the primary key of schema_version
INSERT INTO {schema}.{prefix}schema_version (version, name, checksum)
VALUES ($1, $2, $3)
