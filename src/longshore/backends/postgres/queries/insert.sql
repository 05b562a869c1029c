-- verb: insert, and the follow-ups of settle
-- parameters: now_ms (NULL: the server's clock), channel, ids, queues, names, payloads, priorities, then lists that are empty where no job has any: run_ms, delays, max_attempts, details, tags (joined by line feeds), references, correlation ids; the first place (NULL: the tail), offsets from it (empty: in the order of the list)
-- columns: how many were created, and the numbers (from 1) of those if not all were
-- index: the primary key of job; ready_line and later_due tell whether anybody must be woken
WITH moment AS MATERIALIZED (
    SELECT
        coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms,
        coalesce($15::bigint, nextval('{schema}.{prefix}place') << 20) AS place
),
asked AS MATERIALIZED (
    SELECT
        a.*,
        moment.now_ms,
        coalesce(a.due_ms, moment.now_ms + a.delay_ms, 0) AS run_ms,
        coalesce(a.due_ms, moment.now_ms + a.delay_ms, 0) > moment.now_ms AS waits,
        moment.place + coalesce(a.step, a.n) AS place
    FROM
        moment,
        unnest(
            $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::smallint[], $8::bigint[], $9::bigint[],
            $10::integer[], $11::bytea[], $12::text[], $13::text[], $14::text[], $16::integer[]
        ) WITH ORDINALITY AS a (
            id, queue, name, payload, priority, due_ms, delay_ms, max_attempts, details, tags, reference,
            correlation_id, step, n
        )
),
fresh AS MATERIALIZED (
    SELECT *
    FROM asked
    WHERE NOT EXISTS (SELECT 1 FROM {schema}.{prefix}job AS job WHERE job.id = asked.id)
),
bodies AS (
    INSERT INTO {schema}.{prefix}job
        (id, created_ms, max_attempts, name, payload, details, tags, reference, correlation_id)
    SELECT
        id, now_ms, max_attempts, name, payload, details, string_to_array(tags, E'\n'), reference, correlation_id
    FROM fresh
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (place, id, state, priority, queue)
    SELECT place, id, 3, priority, queue
    FROM fresh
    WHERE NOT waits
),
scheduled AS (
    INSERT INTO {schema}.{prefix}later (place, id, state, priority, queue, run_ms)
    SELECT 0, id, 1, priority, queue, run_ms
    FROM fresh
    WHERE waits
),
sums AS MATERIALIZED (
    SELECT
        queue,
        now_ms,
        count(*) AS added,
        min(priority) AS priority,
        min(place) AS place,
        count(*) FILTER (WHERE waits) AS scheduled,
        min(run_ms) FILTER (WHERE waits) AS next_ms
    FROM fresh
    GROUP BY queue, now_ms
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, scheduled, pending, added)
    SELECT queue, now_ms / 60000, nullif(scheduled, 0), nullif(added - scheduled, 0), added
    FROM sums
),
wakes AS (
    SELECT 'pending:' || queue AS said
    FROM sums
    WHERE
        added > scheduled
        AND
            -- part: few_near
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM sums
    WHERE
        scheduled > 0
        AND
            -- part: none_sooner
)
SELECT
    (SELECT count(*) FROM fresh) AS created,
    (SELECT array_agg(n) FROM fresh HAVING count(*) < cardinality($3::uuid[])) AS which,
    (SELECT count(pg_notify($2, said)) FROM wakes) AS told
