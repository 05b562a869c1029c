-- verb: every verb that gives room: whose turn it is
-- parameters: queue, meters (carray of texts), limit (for each of them)
-- columns: held_by, priority, ord, seq, rules; in no order: with one, SQLite would sort them all
-- index: job_held
SELECT job.held_by, job.priority, job.ord, job.seq, job.rules
FROM carray(?2) AS wanted
CROSS JOIN job ON job.seq IN (
    SELECT next.seq
    FROM job AS next
    WHERE next.queue = ?1 AND next.held_by = wanted.value AND next.state = 2
    ORDER BY next.priority, next.ord
    LIMIT ?3
)
