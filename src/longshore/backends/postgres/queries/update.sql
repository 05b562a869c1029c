-- verb: change: update
-- parameters: now_ms (NULL: the server's clock), channel, ids (each once), the versions in which they were found, which values are given (bits: 1 payload, 2 priority, 4 max_attempts, 8 run_ms, 16 details, 32 tags, 64 reference, 128 correlation_id), and the values, a list each (tags joined by line feeds)
-- columns: id, FALSE, FALSE; no row for a job that has changed since
-- index: the primary keys of ready, held, later and job
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM
        unnest(
            $3::uuid[], $4::xid[], $5::integer[], $6::bytea[], $7::smallint[], $8::integer[], $9::bigint[],
            $10::bytea[], $11::text[], $12::text[], $13::text[]
        ) WITH ORDINALITY AS a (
            id, version, given, payload, rank, max_attempts, due_ms, details, tags, reference, correlation_id, n
        )
),
from_ready AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING asked
    WHERE ready.id = asked.id AND ready.xmin = asked.version
    RETURNING ready.*, asked.n, asked.given, asked.due_ms, asked.rank, asked.payload, asked.max_attempts, asked.details,
        asked.tags, asked.reference, asked.correlation_id
),
from_held AS (
    DELETE FROM {schema}.{prefix}held AS held
    USING asked
    WHERE held.id = asked.id AND held.xmin = asked.version AND held.state <> 0
    RETURNING held.*, asked.n, asked.given, asked.due_ms, asked.rank, asked.payload, asked.max_attempts, asked.details,
        asked.tags, asked.reference, asked.correlation_id
),
from_later AS (
    DELETE FROM {schema}.{prefix}later AS later
    USING asked
    WHERE later.id = asked.id AND later.xmin = asked.version
    RETURNING later.*, asked.n, asked.given, asked.due_ms, asked.rank, asked.payload, asked.max_attempts, asked.details,
        asked.tags, asked.reference, asked.correlation_id
),
-- In its place: whoever tells this job about a parent waits for its row, and would not see another one.
blocked AS MATERIALIZED (
    UPDATE {schema}.{prefix}held AS held
    SET
        priority = CASE WHEN asked.given & 2 = 0 THEN held.priority ELSE asked.rank END,
        run_ms = CASE WHEN asked.given & 8 = 0 THEN held.run_ms WHEN asked.due_ms > moment.now_ms THEN asked.due_ms END,
        updated_ms = moment.now_ms
    FROM
        asked,
        moment
    WHERE held.id = asked.id AND held.xmin = asked.version AND held.state = 0
    RETURNING held.id, asked.given, asked.payload, asked.max_attempts, asked.details, asked.tags, asked.reference,
        asked.correlation_id
),
tail AS MATERIALIZED (
    SELECT nextval('{schema}.{prefix}place') << 20 AS place
),
old AS MATERIALIZED (
    SELECT *
    FROM from_ready
    UNION ALL
    SELECT *
    FROM from_held
    UNION ALL
    SELECT *
    FROM from_later
),
moved AS MATERIALIZED (
    SELECT
        old.*,
        moment.now_ms,
        CASE
            WHEN given & 8 = 0 THEN state
            WHEN due_ms <= moment.now_ms AND state = 2 THEN 2
            WHEN due_ms <= moment.now_ms THEN 3
            WHEN state = 5 THEN 5
            ELSE 1
        END AS after,
        CASE WHEN state IN (2, 3) THEN old.place ELSE tail.place + n END AS spot,
        CASE WHEN given & 8 = 0 THEN run_ms ELSE due_ms END AS time_ms,
        CASE WHEN given & 2 = 0 THEN priority ELSE rank END AS new_priority
    FROM
        old,
        tail,
        moment
),
to_ready AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside
    )
    SELECT
        spot, id, 3, new_priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        now_ms, progress, progress_note, error_text, result, ruled, aside
    FROM moved
    WHERE after = 3
),
to_held AS (
    INSERT INTO {schema}.{prefix}held (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside, held_by
    )
    SELECT
        spot, id, 2, new_priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        now_ms, progress, progress_note, error_text, result, ruled, aside, held_by
    FROM moved
    WHERE after = 2
),
to_later AS (
    INSERT INTO {schema}.{prefix}later (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        run_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, after, new_priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        time_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM moved
    WHERE after IN (1, 5)
),
changed AS MATERIALIZED (
    SELECT id, given, payload, max_attempts, details, tags, reference, correlation_id
    FROM moved
    UNION ALL
    SELECT *
    FROM blocked
),
bodies AS (
    UPDATE {schema}.{prefix}job AS job
    SET
        payload = CASE WHEN given & 1 = 0 THEN job.payload ELSE changed.payload END,
        max_attempts = CASE WHEN given & 4 = 0 THEN job.max_attempts ELSE changed.max_attempts END,
        details = CASE WHEN given & 16 = 0 THEN job.details ELSE changed.details END,
        tags = CASE WHEN given & 32 = 0 THEN job.tags ELSE string_to_array(changed.tags, E'\n') END,
        reference = CASE WHEN given & 64 = 0 THEN job.reference ELSE changed.reference END,
        correlation_id = CASE WHEN given & 128 = 0 THEN job.correlation_id ELSE changed.correlation_id END
    FROM changed
    WHERE job.id = changed.id AND given & 245 <> 0
),
sums AS MATERIALIZED (
    SELECT
        queue,
        now_ms,
        min(new_priority) FILTER (WHERE after = 3) AS priority,
        (SELECT tail.place FROM tail) AS place,
        count(*) FILTER (WHERE after = 1) - count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE after = 3) - count(*) FILTER (WHERE state = 3) AS pending,
        count(*) FILTER (WHERE after = 5) - count(*) FILTER (WHERE state = 5) AS retrying,
        count(*) FILTER (WHERE after = 2) - count(*) FILTER (WHERE state = 2) AS held,
        count(*) FILTER (WHERE after = 3 AND state <> 3) AS arrived,
        min(time_ms) FILTER (WHERE after IN (1, 5)) AS next_ms
    FROM moved
    GROUP BY queue, now_ms
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, scheduled, pending, retrying, held)
    SELECT queue, now_ms / 60000, scheduled, pending, retrying, held
    FROM sums
    WHERE scheduled <> 0 OR pending <> 0 OR retrying <> 0 OR held <> 0
),
wakes AS (
    SELECT 'pending:' || queue AS said
    FROM sums
    WHERE
        arrived > 0
        AND
            -- part: few_near
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM sums
    WHERE
        next_ms IS NOT NULL
        AND
            -- part: none_sooner
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, said)) AS n
    FROM wakes
)
SELECT uuid_send(changed.id), FALSE, FALSE
FROM
    changed,
    told
