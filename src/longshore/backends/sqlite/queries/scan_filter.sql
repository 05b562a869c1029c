-- verb: scan, and change by query: which of the candidates match
-- parameters: a name each: seqs, states, queues, names, tags (JSON arrays), reference, correlation_id, session, lost, now_ms, text (small letters), error, finished_before_ms, payload; NULL: not asked
-- columns: seq, id, queue, name, payload, state, priority, max_attempts, fence, failures, crashes, releases, session, created_ms, details, run_ms, started_ms, finished_ms, updated_ms, result, error_text, progress, progress_note, cancel_requested, rules, held_by, turn, edges, awaited
-- index: the rowid of job
SELECT
    seq, id, queue, name, payload, state, priority, max_attempts, fence, failures, crashes, releases, session,
    created_ms, details, run_ms, started_ms, finished_ms, coalesce(updated_ms, created_ms), result, error_text,
    progress, progress_note, cancel_requested, rules, held_by, turn, edges, awaited
FROM job
WHERE seq IN (SELECT value FROM json_each(:seqs))
    AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    AND (:queues IS NULL OR queue IN (SELECT value FROM json_each(:queues)))
    AND (:names IS NULL OR name IN (SELECT value FROM json_each(:names)))
    AND (:session IS NULL OR session = :session)
    AND (:reference IS NULL OR reference = :reference)
    AND (:payload IS NULL OR payload = :payload)
    AND (:correlation_id IS NULL OR correlation_id = :correlation_id)
    AND (:finished_before_ms IS NULL OR (state >= 6 AND finished_ms < :finished_before_ms))
    AND (
        :lost IS NULL
        OR (state = 4 AND NOT EXISTS (SELECT 1 FROM session WHERE name = job.session AND until_ms > :now_ms))
    )
    AND (
        :tags IS NULL
        OR NOT EXISTS (
            SELECT 1
            FROM json_each(:tags) AS wanted
            WHERE instr(coalesce(tags, ''), char(10) || wanted.value || char(10)) = 0
        )
    )
    AND (:error IS NULL OR instr(error_text, :error) > 0)
    AND (
        :text IS NULL
        OR instr(lower(name), :text) > 0
        OR instr(lower(CAST(payload AS TEXT)), :text) > 0
        OR instr(lower(CAST(details AS TEXT)), :text) > 0
        OR instr(lower(error_text), :text) > 0
    )
