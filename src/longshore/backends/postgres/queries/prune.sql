-- verb: change: delete by queue, end state and age only, which is what retention asks for
-- parameters: now_ms (NULL: the server's clock), queues, states (all of them over), the time before which they ended, how many of the newest to spare, how many to delete
-- columns: id, whether there are more
-- index: done_finished; the primary keys of done, job, failure and log (by arrays, of which the planner expects few)
WITH victims AS MATERIALIZED (
    SELECT stream.id, row_number() OVER (ORDER BY stream.finished_ms DESC, stream.id DESC) AS n
    FROM
        unnest($2::text[]) AS wanted (queue)
        CROSS JOIN unnest($3::smallint[]) AS ending (state)
        CROSS JOIN LATERAL (
            SELECT done.id, done.finished_ms
            FROM {schema}.{prefix}done AS done
            WHERE
                done.queue = wanted.queue
                AND done.state = ending.state
                AND done.finished_ms < coalesce($4::bigint, 9223372036854775807)
            ORDER BY done.finished_ms DESC, done.id DESC
            LIMIT $5::bigint + $6::bigint + 1
        ) AS stream
    ORDER BY stream.finished_ms DESC, stream.id DESC
    OFFSET $5
    LIMIT $6 + 1
),
gone AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}done
    WHERE id = ANY(ARRAY(SELECT id FROM victims ORDER BY n LIMIT $6))
    RETURNING id, queue, state
),
bodies AS (
    DELETE FROM {schema}.{prefix}job
    WHERE id = ANY(ARRAY(SELECT id FROM gone))
),
failures AS (
    DELETE FROM {schema}.{prefix}failure
    WHERE job = ANY(ARRAY(SELECT id FROM gone))
),
logs AS (
    DELETE FROM {schema}.{prefix}log
    WHERE job = ANY(ARRAY(SELECT id FROM gone))
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, completed, failed, cancelled, skipped)
    SELECT
        queue,
        coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) / 60000,
        -count(*) FILTER (WHERE state = 6),
        -count(*) FILTER (WHERE state = 7),
        -count(*) FILTER (WHERE state = 8),
        -count(*) FILTER (WHERE state = 9)
    FROM gone
    GROUP BY queue
)
SELECT uuid_send(id), (SELECT count(*) > $6 FROM victims)
FROM gone
