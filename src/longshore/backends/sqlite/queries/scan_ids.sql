-- verb: scan: jobs by their ids
-- parameters: ids (JSON array of hex)
-- columns: id, seq
-- index: the unique index of job.id (covering)
SELECT id, seq
FROM job
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
