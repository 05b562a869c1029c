-- verb: settle, with an error
-- parameters: job (seq), fence, body
-- columns: none
-- index: the primary key of failure
INSERT OR REPLACE INTO failure (job, fence, body)
VALUES (?1, ?2, ?3)
