-- verb: prepare: what tells this store from another one by the same name
-- parameters: none
-- columns: the database, the table and the moment when it was made, as one text
-- index: the primary key of schema_version
SELECT
    concat_ws(' ', current_database(), '{schema}.{prefix}job'::regclass::oid, extract(epoch FROM applied_at))
FROM {schema}.{prefix}schema_version
WHERE version = 1
