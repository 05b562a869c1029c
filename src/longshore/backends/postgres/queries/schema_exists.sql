-- verb: migrate
-- parameters: $1 the name of a schema
-- columns: whether it is there
-- index: pg_namespace_nspname_index
SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)
