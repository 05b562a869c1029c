-- verb: scan: the held jobs of a queue, where they are few
-- parameters: queue
-- columns: id, seq; some twice
-- index: the primary key of held
SELECT job.id, job.seq
FROM held
CROSS JOIN job ON job.seq = held.job
WHERE held.queue = ?1 AND job.state = 2
