-- verb: insert of jobs with rules, and of those that come with them. Who is pending and who is held was decided before, under the locks of their queues; an id that another session stores at the same moment is waited for, and then not created
-- parameters: now_ms, channel, ids, queues, names, payloads, priorities, states, places, then lists that are empty where no job has any: run_ms, max_attempts, details, tags (joined by line feeds), references, correlation ids, rules, whether they need room or spend (1, 2), the other of order and turn, the meters that hold them; then the marks of unique keys and the jobs that have them now; whether it always wakes and looks at nothing that others write, as in a transaction of the caller's; edges, empty where no job has any
-- columns: the numbers (from 1) of those that were created
-- index: the primary keys of job and holder; ready_line and later_due tell whether anybody must be woken
WITH asked AS MATERIALIZED (
    SELECT a.*, $1::bigint AS now_ms
    FROM
        unnest(
            $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::smallint[], $8::smallint[], $9::bigint[],
            $10::bigint[], $11::integer[], $12::bytea[], $13::text[], $14::text[], $15::text[], $16::bytea[],
            $17::smallint[], $18::bigint[], $19::text[], $23::bytea[]
        ) WITH ORDINALITY AS a (
            id, queue, name, payload, priority, state, place, run_ms, max_attempts, details, tags, reference,
            correlation_id, rules, ruled, aside, held_by, edges, n
        )
),
bodies AS (
    INSERT INTO {schema}.{prefix}job
        (id, created_ms, max_attempts, name, payload, details, tags, reference, correlation_id, rules, edges)
    SELECT
        id, now_ms, max_attempts, name, payload, details, string_to_array(tags, E'\n'), reference, correlation_id,
        rules, edges
    FROM asked
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id
),
fresh AS MATERIALIZED (
    SELECT *
    FROM asked
    WHERE id IN (SELECT bodies.id FROM bodies)
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (place, id, state, priority, queue, ruled, aside)
    SELECT place, id, 3, priority, queue, ruled, aside
    FROM fresh
    WHERE state = 3
),
kept_back AS (
    INSERT INTO {schema}.{prefix}held (place, id, state, priority, queue, run_ms, ruled, aside, held_by)
    SELECT place, id, state, priority, queue, run_ms, ruled, aside, held_by
    FROM fresh
    WHERE state IN (0, 2)
),
scheduled AS (
    INSERT INTO {schema}.{prefix}later (place, id, state, priority, queue, run_ms, ruled)
    SELECT 0, id, 1, priority, queue, run_ms, ruled
    FROM fresh
    WHERE state = 1
),
taken AS (
    UPDATE {schema}.{prefix}holder AS holder
    SET job = a.job
    FROM unnest($20::bytea[], $21::uuid[]) AS a (mark, job)
    WHERE holder.mark = a.mark
),
sums AS MATERIALIZED (
    SELECT
        queue,
        now_ms,
        count(*) AS added,
        min(priority) FILTER (WHERE state = 3) AS priority,
        max(place) FILTER (WHERE state = 3) AS place,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 0) AS blocked,
        count(*) FILTER (WHERE state = 2) AS held,
        count(*) FILTER (WHERE state = 3) AS pending,
        min(run_ms) FILTER (WHERE state = 1) AS next_ms
    FROM fresh
    GROUP BY queue, now_ms
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, blocked, scheduled, pending, held, added)
    SELECT
        queue, now_ms / 60000, nullif(blocked, 0), nullif(scheduled, 0), nullif(pending, 0), nullif(held, 0), added
    FROM sums
),
wakes AS (
    SELECT 'pending:' || queue AS said
    FROM sums
    WHERE
        NOT $22::boolean
        AND pending > 0
        AND
            -- part: few_near
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM sums
    WHERE
        NOT $22
        AND scheduled > 0
        AND
            -- part: none_sooner
    UNION ALL
    SELECT 'pending:' || queue
    FROM sums
    WHERE $22 AND pending > 0
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM sums
    WHERE $22 AND scheduled > 0
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, said)) AS n
    FROM wakes
)
SELECT fresh.n
FROM
    fresh,
    told
