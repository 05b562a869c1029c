-- verb: migrate
-- parameters: $1 the name of the schema and the prefix
-- columns: none of use
-- index: none; until the end of the transaction, so that whoever comes second finds the schema ready
SELECT pg_advisory_xact_lock(hashtextextended('longshore ' || $1, 0))
