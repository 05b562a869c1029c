-- verb: scan: the jobs of a queue that ended in a state, by the time they ended, newest first
-- parameters: queue, state, the time before which they ended, or at which with a smaller seq, seq
-- columns: finished_ms, seq
-- index: job_finished (covering)
SELECT finished_ms, seq
FROM job
WHERE queue = ?1 AND state = ?2 AND state >= 6 AND (finished_ms, seq) < (?3, ?4)
ORDER BY finished_ms DESC, seq DESC
