-- verb: change: retry of jobs that wait for their parents once more
-- parameters: now_ms (NULL: the server's clock), ids, the versions in which they were found, what `aside` is of them
-- columns: id, FALSE, FALSE; no row for a job that has changed since
-- index: the primary key of done
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
gone AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}done AS done
    USING unnest($2::uuid[], $3::xid[], $4::bigint[]) AS a (id, version, new_aside)
    WHERE done.id = a.id AND done.xmin = a.version
    RETURNING done.*, a.new_aside
),
blocked AS (
    INSERT INTO {schema}.{prefix}held (
        place, id, state, priority, queue, fence, releases, session, settled, started_ms, updated_ms, progress,
        progress_note, error_text, ruled, aside
    )
    SELECT
        0, id, 0, priority, queue, fence, releases, session, settled, started_ms, now_ms, progress, progress_note,
        error_text, ruled, new_aside
    FROM
        gone,
        moment
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, blocked, failed, cancelled, skipped)
    SELECT
        queue,
        now_ms / 60000,
        count(*),
        -count(*) FILTER (WHERE state = 7),
        -count(*) FILTER (WHERE state = 8),
        -count(*) FILTER (WHERE state = 9)
    FROM
        gone,
        moment
    GROUP BY queue, now_ms
)
SELECT uuid_send(id), FALSE, FALSE
FROM gone
