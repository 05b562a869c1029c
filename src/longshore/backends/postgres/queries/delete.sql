-- verb: change: delete
-- parameters: now_ms (NULL: the server's clock), ids, the versions in which they were found
-- columns: id, FALSE, whether it has children that are to be told; no row for a job that has changed since
-- index: the primary keys of the shelves, of job, failure and log
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM unnest($2::uuid[], $3::xid[]) AS a (id, version)
    ORDER BY a.id -- so that whoever else locks several waits in the same order
),
from_ready AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING asked
    WHERE ready.id = asked.id AND ready.xmin = asked.version
    RETURNING ready.id, ready.queue, ready.state, ready.ruled
),
from_held AS (
    DELETE FROM {schema}.{prefix}held AS held
    USING asked
    WHERE held.id = asked.id AND held.xmin = asked.version
    RETURNING held.id, held.queue, held.state, held.ruled
),
from_later AS (
    DELETE FROM {schema}.{prefix}later AS later
    USING asked
    WHERE later.id = asked.id AND later.xmin = asked.version
    RETURNING later.id, later.queue, later.state, later.ruled
),
from_done AS (
    DELETE FROM {schema}.{prefix}done AS done
    USING asked
    WHERE done.id = asked.id AND done.xmin = asked.version
    RETURNING done.id, done.queue, done.state, done.ruled
),
gone AS MATERIALIZED (
    SELECT *
    FROM from_ready
    UNION ALL
    SELECT *
    FROM from_held
    UNION ALL
    SELECT *
    FROM from_later
    UNION ALL
    SELECT *
    FROM from_done
),
bodies AS (
    DELETE FROM {schema}.{prefix}job AS job
    USING gone
    WHERE job.id = gone.id
),
failures AS (
    DELETE FROM {schema}.{prefix}failure AS failure
    USING gone
    WHERE failure.job = gone.id
),
logs AS (
    DELETE FROM {schema}.{prefix}log AS log
    USING gone
    WHERE log.job = gone.id
),
tells AS (
    INSERT INTO {schema}.{prefix}telling (parent, state)
    SELECT id, 8
    FROM gone
    WHERE ruled >= 8 AND state < 6
),
untied AS (
    DELETE FROM {schema}.{prefix}edge AS edge
    USING gone
    WHERE edge.child = gone.id AND gone.state = 0
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (
        queue, minute, blocked, scheduled, pending, retrying, completed, failed, cancelled, skipped, held
    )
    SELECT
        queue,
        now_ms / 60000,
        -count(*) FILTER (WHERE state = 0),
        -count(*) FILTER (WHERE state = 1),
        -count(*) FILTER (WHERE state = 3),
        -count(*) FILTER (WHERE state = 5),
        -count(*) FILTER (WHERE state = 6),
        -count(*) FILTER (WHERE state = 7),
        -count(*) FILTER (WHERE state = 8),
        -count(*) FILTER (WHERE state = 9),
        -count(*) FILTER (WHERE state = 2)
    FROM
        gone,
        moment
    GROUP BY queue, now_ms
)
SELECT uuid_send(id), FALSE, coalesce(ruled >= 8 AND state < 6, FALSE)
FROM gone
