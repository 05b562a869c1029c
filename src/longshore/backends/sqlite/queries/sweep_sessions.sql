-- verb: promote: sessions that are over and hold nothing
-- parameters: now_ms
-- columns: none
-- index: job_running for what they hold; the few sessions themselves are read
DELETE FROM session
WHERE until_ms <= ?1 AND NOT EXISTS (SELECT 1 FROM job WHERE job.session = session.name AND job.state = 4)
