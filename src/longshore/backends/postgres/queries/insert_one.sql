-- verb: insert of one job that waits for no time: as it comes from a web request, on a connection that was idle
-- parameters: now_ms (NULL: the server's clock), channel, id, queue, name, payload, priority, max_attempts, details, tags (a list), reference, correlation id
-- columns: one row if the job was created, none if its id was there
-- index: the primary key of job; ready_line tells whether anybody must be woken
WITH sums AS MATERIALIZED (
    SELECT
        coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms,
        nextval('{schema}.{prefix}place') << 20 AS place,
        $4::text AS queue,
        $7::smallint AS priority
    WHERE NOT EXISTS (SELECT 1 FROM {schema}.{prefix}job AS job WHERE job.id = $3::uuid)
),
body AS (
    INSERT INTO {schema}.{prefix}job
        (id, created_ms, max_attempts, name, payload, details, tags, reference, correlation_id)
    SELECT $3, now_ms, $8::integer, $5::text, $6::bytea, $9::bytea, $10::text[], $11::text, $12::text
    FROM sums
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (place, id, state, priority, queue)
    SELECT place, $3, 3, priority, queue
    FROM sums
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, pending, added)
    SELECT queue, now_ms / 60000, 1, 1
    FROM sums
)
SELECT
    CASE
        WHEN
            -- part: few_near
            THEN pg_notify($2, 'pending:' || queue)
    END AS told
FROM sums
