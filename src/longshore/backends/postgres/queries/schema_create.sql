-- verb: migrate
-- parameters: none
-- columns: none
-- index: none; not IF NOT EXISTS, which wants the right to create schemas even where nothing is to be created
CREATE SCHEMA {schema}
