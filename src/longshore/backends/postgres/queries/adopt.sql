-- verb: adopt
-- parameters: channel, offsets from the tail, ids (each once), queues, states, priorities, fences, failures, crashes, releases, sessions, started_ms, run_ms, finished_ms, updated_ms, progress, progress notes, error texts, results, created_ms, max_attempts, names, payloads, details, tags (joined by line feeds), references, correlation ids; errors: the number (from 1) of the job each belongs to, fences, bodies; lines: the number of the job, bodies; rules, and whether they need room or spend (1, 2); the time (NULL: the server's clock); edges, and what `aside` is of those that are blocked
-- columns: the numbers of those that were created, and their places
-- index: the primary key of job; ready_line and later_due tell whether anybody must be woken
WITH tail AS MATERIALIZED (
    SELECT
        nextval('{schema}.{prefix}place') << 20 AS place,
        coalesce($35::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
fresh AS MATERIALIZED (
    SELECT *
    FROM
        unnest(
            $2::integer[], $3::uuid[], $4::text[], $5::smallint[], $6::smallint[], $7::integer[], $8::integer[],
            $9::integer[], $10::integer[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
            $16::double precision[], $17::text[], $18::text[], $19::bytea[], $20::bigint[], $21::integer[],
            $22::text[], $23::bytea[], $24::bytea[], $25::text[], $26::text[], $27::text[],
            $33::bytea[], $34::smallint[], $36::bytea[], $37::bigint[]
        ) WITH ORDINALITY AS a (
            step, id, queue, state, priority, fence, failures, crashes, releases, session, started_ms, run_ms,
            finished_ms, updated_ms, progress, progress_note, error_text, result, created_ms, max_attempts, name,
            payload, details, tags, reference, correlation_id, rules, ruled, edges, aside, n
        )
    WHERE NOT EXISTS (SELECT 1 FROM {schema}.{prefix}job AS job WHERE job.id = a.id)
),
bodies AS (
    INSERT INTO {schema}.{prefix}job
        (id, created_ms, max_attempts, name, payload, details, tags, reference, correlation_id, rules, edges)
    SELECT
        id, created_ms, max_attempts, name, payload, details, string_to_array(tags, E'\n'), reference, correlation_id,
        rules, edges
    FROM fresh
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, updated_ms,
        progress, progress_note, error_text, result, ruled
    )
    SELECT
        tail.place + step, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    FROM
        fresh,
        tail
    WHERE state = 3
),
blocked AS (
    INSERT INTO {schema}.{prefix}held (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, run_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, run_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside
    FROM fresh
    WHERE state = 0
),
waiting AS (
    INSERT INTO {schema}.{prefix}later (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, run_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, run_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    FROM fresh
    WHERE state IN (1, 5)
),
over AS (
    INSERT INTO {schema}.{prefix}done (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, finished_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, started_ms, finished_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    FROM fresh
    WHERE state >= 6
),
failed AS (
    INSERT INTO {schema}.{prefix}failure (job, fence, body)
    SELECT fresh.id, error.fence, error.body
    FROM
        unnest($28::integer[], $29::integer[], $30::bytea[]) AS error (n, fence, body)
        JOIN fresh ON fresh.n = error.n
),
logged AS (
    INSERT INTO {schema}.{prefix}log (job, body)
    SELECT fresh.id, line.body
    FROM
        unnest($31::integer[], $32::bytea[]) WITH ORDINALITY AS line (n, body, place)
        JOIN fresh ON fresh.n = line.n
    ORDER BY line.place
),
sums AS MATERIALIZED (
    SELECT
        queue,
        min(priority) FILTER (WHERE state = 3) AS priority,
        (SELECT tail.place FROM tail) AS place,
        (SELECT tail.now_ms FROM tail) AS now_ms,
        count(*) FILTER (WHERE state = 0) AS blocked,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 3) AS pending,
        count(*) FILTER (WHERE state = 5) AS retrying,
        count(*) FILTER (WHERE state = 6) AS completed,
        count(*) FILTER (WHERE state = 7) AS failed,
        count(*) FILTER (WHERE state = 8) AS cancelled,
        count(*) FILTER (WHERE state = 9) AS skipped,
        min(run_ms) FILTER (WHERE state IN (1, 5)) AS next_ms
    FROM fresh
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (
        queue, minute, blocked, scheduled, pending, retrying, completed, failed, cancelled, skipped
    )
    SELECT queue, now_ms / 60000, blocked, scheduled, pending, retrying, completed, failed, cancelled, skipped
    FROM sums
),
wakes AS (
    SELECT 'pending:' || queue AS said
    FROM sums
    WHERE
        pending > 0
        AND
            -- part: few_near
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM sums
    WHERE
        scheduled + retrying > 0
        AND
            -- part: none_sooner
),
told AS MATERIALIZED (
    SELECT count(pg_notify($1, said)) AS n
    FROM wakes
)
SELECT fresh.n, tail.place + fresh.step
FROM
    fresh,
    tail,
    told
