-- verb: count
-- parameters: now_ms (NULL: the server's clock), queues (NULL: all), how many minutes
-- columns: queue, scheduled, pending, running, retrying, completed, failed, cancelled, skipped, held, blocked, when the oldest of those next in line was created, when the next is due, minutes (each: minute, added, completed, failed, retried, crashed, run_ms)
-- index: ready_line, the primary key of job, later_queue; the tally is read as a whole
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
sums AS MATERIALIZED (
    SELECT
        queue,
        minute,
        sum(scheduled) AS scheduled,
        sum(pending) AS pending,
        sum(running) AS running,
        sum(retrying) AS retrying,
        sum(completed) AS completed,
        sum(failed) AS failed,
        sum(cancelled) AS cancelled,
        sum(skipped) AS skipped,
        sum(held) AS held,
        sum(blocked) AS blocked,
        coalesce(sum(added), 0) AS added,
        coalesce(sum(ended), 0) AS ended,
        coalesce(sum(buried), 0) AS buried,
        coalesce(sum(retried), 0) AS retried,
        coalesce(sum(crashed), 0) AS crashed,
        coalesce(sum(run_ms), 0) AS run_ms
    FROM {schema}.{prefix}tally
    WHERE $2::text[] IS NULL OR queue = ANY($2::text[])
    GROUP BY queue, minute
)
SELECT
    sums.queue,
    coalesce(sum(sums.scheduled), 0)::bigint,
    coalesce(sum(sums.pending), 0)::bigint,
    coalesce(sum(sums.running), 0)::bigint,
    coalesce(sum(sums.retrying), 0)::bigint,
    coalesce(sum(sums.completed), 0)::bigint,
    coalesce(sum(sums.failed), 0)::bigint,
    coalesce(sum(sums.cancelled), 0)::bigint,
    coalesce(sum(sums.skipped), 0)::bigint,
    coalesce(sum(sums.held), 0)::bigint,
    coalesce(sum(sums.blocked), 0)::bigint,
    (
        SELECT min(job.created_ms)
        FROM
            generate_series(0, 9) AS priority
            CROSS JOIN LATERAL (
                SELECT ready.id
                FROM {schema}.{prefix}ready AS ready
                WHERE ready.queue = sums.queue AND ready.priority = priority.priority
                ORDER BY ready.place
                LIMIT 1
            ) AS head
            JOIN {schema}.{prefix}job AS job ON job.id = head.id
    ),
    (SELECT min(later.run_ms) FROM {schema}.{prefix}later AS later WHERE later.queue = sums.queue),
    array_agg(
        ARRAY[minute, added, ended, buried, retried, crashed, run_ms]::bigint[] ORDER BY minute
    ) FILTER (
        WHERE
            minute > moment.now_ms / 60000 - $3::bigint
            AND added + ended + buried + retried + crashed > 0
    )
FROM
    sums,
    moment
GROUP BY sums.queue
ORDER BY sums.queue
