-- verb: change: note
-- parameters: job (seq), number, body
-- columns: none
-- index: the primary key of log
INSERT INTO log (job, number, body)
VALUES (?1, ?2, ?3)
