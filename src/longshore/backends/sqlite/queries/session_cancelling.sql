-- verb: extend: which jobs somebody wants stopped
-- parameters: session
-- columns: id
-- index: job_cancelling
SELECT id
FROM job
WHERE session = ?1 AND cancel_requested = 1
ORDER BY seq
