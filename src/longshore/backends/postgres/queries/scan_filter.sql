-- verb: scan, and change by query: which of the candidates match
-- parameters: now_ms (NULL: the server's clock), ids, whether with errors and logs, then NULL where it is not asked: states, queues, names, tags, reference, correlation_id, session, lost, text (small letters, as bytes), error, finished_before_ms, payload
-- columns: id, queue, name, payload, state, priority, max_attempts, fence, failures, crashes, releases, session, created_ms, details, run_ms, started_ms, finished_ms, updated_ms, result, error_text, progress, progress_note, cancel_requested, errors, logs, version, rules, held_by, edges, the parents for which it waits (NULL: it is not blocked)
-- index: the primary keys of the shelves, of job and of edge
SELECT
    uuid_send(standing.id),
    standing.queue,
    job.name,
    job.payload,
    standing.state,
    standing.priority,
    job.max_attempts,
    coalesce(standing.fence, 0),
    coalesce(standing.failures, 0),
    coalesce(standing.crashes, 0),
    coalesce(standing.releases, 0),
    standing.session,
    job.created_ms,
    job.details,
    standing.run_ms,
    standing.started_ms,
    standing.finished_ms,
    coalesce(standing.updated_ms, standing.started_ms, job.created_ms),
    standing.result,
    standing.error_text,
    standing.progress,
    standing.progress_note,
    coalesce(standing.cancel_requested, FALSE),
    CASE
        WHEN $3 THEN ARRAY(
            SELECT failure.body
            FROM {schema}.{prefix}failure AS failure
            WHERE failure.job = job.id
            ORDER BY failure.fence
        )
    END,
    CASE
        WHEN $3 THEN ARRAY(
            SELECT log.body
            FROM {schema}.{prefix}log AS log
            WHERE log.job = job.id
            ORDER BY log.number
        )
    END,
    standing.version,
    job.rules,
    standing.held_by,
    job.edges,
    CASE
        WHEN standing.state = 0 THEN ARRAY(
            SELECT uuid_send(edge.parent)
            FROM {schema}.{prefix}edge AS edge
            WHERE edge.child = job.id
            ORDER BY edge.number
        )
    END
FROM
    unnest($2::uuid[]) AS candidate (id)
    JOIN {schema}.{prefix}standing AS standing ON standing.id = candidate.id
    JOIN {schema}.{prefix}job AS job ON job.id = candidate.id
WHERE
    ($4::smallint[] IS NULL OR standing.state = ANY($4::smallint[]))
    AND ($5::text[] IS NULL OR standing.queue = ANY($5::text[]))
    AND ($6::text[] IS NULL OR job.name = ANY($6::text[]))
    AND ($7::text[] IS NULL OR job.tags @> $7::text[])
    AND ($8::text IS NULL OR job.reference = $8)
    AND ($9::text IS NULL OR job.correlation_id = $9)
    AND ($10::text IS NULL OR standing.session = $10)
    AND (
        NOT coalesce($11::boolean, FALSE)
        OR (
            standing.state = 4
            AND NOT EXISTS (
                SELECT 1
                FROM {schema}.{prefix}session AS session
                WHERE
                    session.name = standing.session
                    AND session.until_ms
                    > coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
            )
        )
    )
    AND (
        $12::bytea IS NULL
        OR position($12::bytea IN {schema}.{prefix}small(convert_to(job.name, 'UTF8'))) > 0
        OR position($12::bytea IN {schema}.{prefix}small(job.payload)) > 0
        OR position($12::bytea IN {schema}.{prefix}small(job.details)) > 0
        OR position($12::bytea IN {schema}.{prefix}small(convert_to(standing.error_text, 'UTF8'))) > 0
    )
    AND ($15::bytea IS NULL OR job.payload = $15)
    AND ($13::text IS NULL OR position($13 IN standing.error_text) > 0)
    AND ($14::bigint IS NULL OR (standing.state >= 6 AND standing.finished_ms < $14))
