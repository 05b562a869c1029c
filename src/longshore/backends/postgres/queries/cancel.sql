-- verb: change: cancel
-- parameters: now_ms (NULL: the server's clock), channel, ids, the versions in which they were found
-- columns: id, whether it runs and was asked to stop, whether it has children that are to be told; no row for a job that has changed since
-- index: the primary keys of the shelves
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM unnest($3::uuid[], $4::xid[]) AS a (id, version)
    ORDER BY a.id -- so that whoever else locks several waits in the same order
),
from_ready AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING asked
    WHERE ready.id = asked.id AND ready.xmin = asked.version
    RETURNING ready.*
),
from_held AS (
    DELETE FROM {schema}.{prefix}held AS held
    USING asked
    WHERE held.id = asked.id AND held.xmin = asked.version
    RETURNING held.*
),
from_later AS (
    DELETE FROM {schema}.{prefix}later AS later
    USING asked
    WHERE later.id = asked.id AND later.xmin = asked.version
    RETURNING later.*
),
stopping AS (
    UPDATE {schema}.{prefix}run AS run
    SET cancel_requested = TRUE, updated_ms = moment.now_ms
    FROM
        asked,
        moment
    WHERE run.id = asked.id AND run.xmin = asked.version
    RETURNING run.id, run.queue
),
ended AS MATERIALIZED (
    SELECT *
    FROM from_ready
    UNION ALL
    SELECT *
    FROM from_held
    UNION ALL
    SELECT *
    FROM from_later
),
over AS (
    INSERT INTO {schema}.{prefix}done (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        finished_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, 8, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        now_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM
        ended,
        moment
),
tells AS (
    INSERT INTO {schema}.{prefix}telling (parent, state)
    SELECT id, 8
    FROM ended
    WHERE ruled >= 8
),
untied AS (
    DELETE FROM {schema}.{prefix}edge AS edge
    USING ended
    WHERE edge.child = ended.id AND ended.state = 0
),
sums AS MATERIALIZED (
    SELECT
        queue,
        count(*) AS n,
        count(*) FILTER (WHERE state = 0) AS blocked,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 2) AS held,
        count(*) FILTER (WHERE state = 3) AS pending,
        count(*) FILTER (WHERE state = 5) AS retrying
    FROM ended
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, blocked, scheduled, pending, retrying, cancelled, held)
    SELECT queue, now_ms / 60000, -blocked, -scheduled, -pending, -retrying, n, -held
    FROM
        sums,
        moment
),
wakes AS (
    SELECT 'finished:' || queue AS said
    FROM sums
    WHERE EXISTS (
        SELECT 1
        FROM {schema}.{prefix}ear
        WHERE kind = 'finished' AND until_ms > floor(extract(epoch FROM clock_timestamp()) * 1000)
    )
    UNION
    SELECT 'cancel:' || queue
    FROM stopping
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, said)) AS n
    FROM wakes
)
SELECT uuid_send(ended.id), FALSE, coalesce(ended.ruled >= 8, FALSE)
FROM
    ended,
    told
UNION ALL
SELECT uuid_send(stopping.id), TRUE, FALSE
FROM
    stopping,
    told
