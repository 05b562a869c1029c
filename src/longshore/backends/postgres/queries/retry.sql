-- verb: change: retry
-- parameters: now_ms (NULL: the server's clock), channel, ids, the versions in which they were found
-- columns: id, FALSE, FALSE; no row for a job that has changed since
-- index: the primary keys of the shelves
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM unnest($3::uuid[], $4::xid[]) WITH ORDINALITY AS a (id, version, n)
),
from_later AS (
    DELETE FROM {schema}.{prefix}later AS later
    USING asked
    WHERE later.id = asked.id AND later.xmin = asked.version
    RETURNING asked.n, later.*
),
from_done AS (
    DELETE FROM {schema}.{prefix}done AS done
    USING asked
    WHERE done.id = asked.id AND done.xmin = asked.version
    RETURNING asked.n, done.*
),
tail AS MATERIALIZED (
    SELECT nextval('{schema}.{prefix}place') << 20 AS place
),
moved AS MATERIALIZED (
    SELECT *
    FROM from_later
    UNION ALL
    SELECT *
    FROM from_done
),
pending AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        tail.place + n, id, 3, priority, queue, fence,
        CASE WHEN state < 6 THEN failures END,
        CASE WHEN state < 6 THEN crashes END,
        releases, session, settled, started_ms, now_ms, progress, progress_note, error_text,
        CASE WHEN state < 6 THEN result END, ruled
    FROM
        moved,
        tail,
        moment
),
sums AS MATERIALIZED (
    SELECT
        queue,
        count(*) AS n,
        min(priority) AS priority,
        (SELECT tail.place FROM tail) AS place,
        count(*) FILTER (WHERE state = 1) AS scheduled,
        count(*) FILTER (WHERE state = 5) AS retrying,
        count(*) FILTER (WHERE state = 7) AS failed,
        count(*) FILTER (WHERE state = 8) AS cancelled
    FROM moved
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, scheduled, pending, retrying, failed, cancelled)
    SELECT queue, now_ms / 60000, -scheduled, n, -retrying, -failed, -cancelled
    FROM
        sums,
        moment
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, 'pending:' || queue)) AS n
    FROM sums
    WHERE
        -- part: few_near
)
SELECT uuid_send(moved.id), FALSE, FALSE
FROM
    moved,
    told
