-- verb: insert, where some ids were there already
-- parameters: ids (JSON array of hex)
-- columns: id, ord: new jobs are known by the place that was meant for them
-- index: the unique index of job.id
SELECT id, ord
FROM job
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
