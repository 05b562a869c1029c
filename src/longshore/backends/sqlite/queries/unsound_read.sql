-- verb: scan, where a row cannot be read: the texts of that row as bytes
-- parameters: seq
-- columns: as scan_filter
-- index: the rowid of job
SELECT
    seq, id, CAST(queue AS BLOB), CAST(name AS BLOB), payload, state, priority, max_attempts, fence, failures, crashes,
    releases, CAST(session AS BLOB), created_ms, details, run_ms, started_ms, finished_ms,
    coalesce(updated_ms, created_ms), result, CAST(error_text AS BLOB), progress, CAST(progress_note AS BLOB),
    cancel_requested, rules, CAST(held_by AS BLOB), turn, edges, awaited
FROM job
WHERE seq = ?1
