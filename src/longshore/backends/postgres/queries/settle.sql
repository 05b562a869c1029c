-- verb: settle
-- parameters: now_ms (NULL: the server's clock), channel, ids (each once), sessions, fences, states, charges, offsets from the tail's first place, keeps, then lists that are empty where no settlement has any: run_ms, delays, results, errors, error texts, whether it is a rescue
-- columns: how many were applied, the numbers (from 1) of those if not all were, the tail's first place, none of use, how many have children that are to be told
-- index: the primary keys of run and session (IS NOT DISTINCT FROM keeps the planner from run_session, through which it read every job of the worker for each: 30 µs a job instead of 10); ready_line and later_due tell whether anybody must be woken
WITH moment AS MATERIALIZED (
    SELECT
        coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms,
        nextval('{schema}.{prefix}place') << 20 AS place,
        EXISTS (
            SELECT 1
            FROM {schema}.{prefix}ear
            WHERE kind = 'finished' AND until_ms > floor(extract(epoch FROM clock_timestamp()) * 1000)
        ) AS is_heard
),
asked AS MATERIALIZED (
    SELECT a.*, moment.now_ms, moment.place + a.step AS tail, coalesce(a.rescues, FALSE) AS is_rescue
    FROM
        moment,
        unnest(
            $3::uuid[], $4::text[], $5::integer[], $6::smallint[], $7::smallint[], $8::integer[], $9::boolean[],
            $10::bigint[], $11::bigint[], $12::bytea[], $13::bytea[], $14::text[], $15::boolean[]
        ) WITH ORDINALITY AS a (
            id, session, fence, state, charge, step, keep, due_ms, delay_ms, result, error, error_text, rescues, n
        )
),
leases AS MATERIALIZED (
    SELECT session.name, session.until_ms > moment.now_ms AS is_live
    FROM
        moment,
        {schema}.{prefix}session AS session
    WHERE session.name IN (SELECT asked.session FROM asked WHERE asked.is_rescue)
    ORDER BY session.name
    FOR UPDATE OF session
),
ended AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}run AS run
    USING asked
    WHERE
        run.id = asked.id
        AND run.session IS NOT DISTINCT FROM asked.session
        AND run.fence = asked.fence
        AND NOT (
            asked.is_rescue
            AND EXISTS (SELECT 1 FROM leases WHERE leases.name = asked.session AND leases.is_live)
        )
    RETURNING
        asked.n,
        asked.now_ms,
        asked.is_rescue,
        asked.state,
        asked.charge,
        asked.error,
        asked.keep OR asked.state < 6 AS keep,
        CASE WHEN asked.state = 3 AND asked.charge = 3 THEN run.place ELSE asked.tail END AS place,
        run.id,
        run.priority,
        run.queue,
        run.fence,
        CASE asked.charge WHEN 1 THEN coalesce(run.failures, 0) + 1 ELSE run.failures END AS failures,
        CASE asked.charge WHEN 2 THEN coalesce(run.crashes, 0) + 1 ELSE run.crashes END AS crashes,
        CASE asked.charge WHEN 3 THEN coalesce(run.releases, 0) + 1 ELSE run.releases END AS releases,
        run.session,
        run.started_ms,
        coalesce(asked.due_ms, asked.now_ms + asked.delay_ms) AS run_ms,
        run.progress,
        run.progress_note,
        coalesce(asked.error_text, run.error_text) AS error_text,
        asked.result,
        run.ruled,
        CASE WHEN asked.state = 3 AND asked.charge = 3 THEN run.aside END AS aside
),
over AS (
    INSERT INTO {schema}.{prefix}done (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        finished_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, state, started_ms,
        now_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM ended
    WHERE state >= 6 AND keep
),
waiting AS (
    INSERT INTO {schema}.{prefix}later (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        run_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, state, started_ms,
        run_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM ended
    WHERE state IN (1, 5)
),
again AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside
    )
    SELECT
        place, id, state, priority, queue, fence, failures, crashes, releases, session, state, started_ms,
        now_ms, progress, progress_note, error_text, result, ruled, aside
    FROM ended
    WHERE state = 3
),
forgotten AS (
    DELETE FROM {schema}.{prefix}job AS job
    USING ended
    WHERE job.id = ended.id AND NOT ended.keep
),
forgotten_failures AS (
    DELETE FROM {schema}.{prefix}failure AS failure
    USING ended
    WHERE failure.job = ended.id AND NOT ended.keep
),
forgotten_logs AS (
    DELETE FROM {schema}.{prefix}log AS log
    USING ended
    WHERE log.job = ended.id AND NOT ended.keep
),
failed AS (
    INSERT INTO {schema}.{prefix}failure (job, fence, body)
    SELECT id, fence, error
    FROM ended
    WHERE error IS NOT NULL AND keep
),
trimmed AS (
    DELETE FROM {schema}.{prefix}failure AS failure
    USING ended
    WHERE
        failure.job = ended.id
        AND ended.error IS NOT NULL
        AND ended.keep
        AND ended.fence > $16
        AND failure.fence < (
            SELECT newest.fence
            FROM {schema}.{prefix}failure AS newest
            WHERE newest.job = ended.id
            ORDER BY newest.fence DESC
            OFFSET $16 - 2
            LIMIT 1
        )
),
rescued AS (
    DELETE FROM {schema}.{prefix}session AS session
    WHERE session.name IN (SELECT ended.session FROM ended WHERE ended.is_rescue)
),
tells AS (
    INSERT INTO {schema}.{prefix}telling (parent, state)
    SELECT id, state
    FROM ended
    WHERE ruled >= 8 AND state >= 6
    RETURNING parent
),
sums AS MATERIALIZED (
    SELECT
        queue,
        now_ms,
        count(*) AS n,
        min(priority) FILTER (WHERE state = 3) AS priority,
        (SELECT moment.place FROM moment) AS place,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 3) AS pending,
        count(*) FILTER (WHERE state = 5) AS retrying,
        count(*) FILTER (WHERE state = 6 AND keep) AS completed,
        count(*) FILTER (WHERE state = 7 AND keep) AS failed,
        count(*) FILTER (WHERE state = 8 AND keep) AS cancelled,
        count(*) FILTER (WHERE state = 9 AND keep) AS skipped,
        count(*) FILTER (WHERE state = 6) AS ended,
        count(*) FILTER (WHERE state = 7) AS buried,
        count(*) FILTER (WHERE state NOT IN (6, 7) AND charge = 1) AS retried,
        count(*) FILTER (WHERE charge = 2) AS crashed,
        sum(now_ms - started_ms) FILTER (WHERE state IN (6, 7) OR charge = 1) AS run_ms,
        min(run_ms) FILTER (WHERE state IN (1, 5)) AS next_ms
    FROM ended
    GROUP BY queue, now_ms
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (
        queue, minute, scheduled, pending, running, retrying, completed, failed, cancelled, ended, buried, retried,
        crashed, run_ms, skipped
    )
    SELECT
        queue, now_ms / 60000, nullif(scheduled, 0), nullif(pending, 0), -n, nullif(retrying, 0), nullif(completed, 0),
        nullif(failed, 0), nullif(cancelled, 0), nullif(ended, 0), nullif(buried, 0), nullif(retried, 0),
        nullif(crashed, 0), nullif(run_ms, 0), nullif(skipped, 0)
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
    UNION ALL
    SELECT 'finished:' || queue
    FROM
        sums,
        moment
    WHERE n > scheduled + pending + retrying AND moment.is_heard
)
SELECT
    (SELECT count(*) FROM ended) AS applied,
    (SELECT array_agg(n) FROM ended HAVING count(*) < cardinality($3::uuid[])) AS which,
    (SELECT place FROM moment) AS place,
    (SELECT count(pg_notify($2, said)) FROM wakes) AS told,
    (SELECT count(*) FROM tells) AS tells
