-- verb: whoever tells children that their parents have ended: what they learned
-- parameters: now_ms, channel; edges of jobs that stay blocked: children, numbers; what `aside` is of those: ids, values; jobs that are not blocked any more; of those: ids and states of the ones that have ended, ids of the ones that wait for a time; what was told: ties; who is still to tell: parents, states, and the queues of those
-- columns: none of use
-- index: the primary keys of edge, held and telling; later_due tells whether anybody must be woken
WITH forgotten AS (
    DELETE FROM {schema}.{prefix}edge AS edge
    USING unnest($3::uuid[], $4::integer[]) AS a (child, number)
    WHERE edge.child = a.child AND edge.number = a.number
),
learned AS (
    UPDATE {schema}.{prefix}held AS held
    SET aside = a.aside
    FROM unnest($5::uuid[], $6::bigint[]) AS a (id, aside)
    WHERE held.id = a.id
),
untied AS (
    DELETE FROM {schema}.{prefix}edge AS edge
    USING unnest($7::uuid[]) AS a (id)
    WHERE edge.child = a.id
),
ended AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}held AS held
    USING unnest($8::uuid[], $9::smallint[]) AS a (id, new_state)
    WHERE held.id = a.id
    RETURNING held.*, a.new_state
),
waiting AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}held AS held
    USING unnest($10::uuid[]) AS a (id)
    WHERE held.id = a.id
    RETURNING held.*
),
over AS (
    INSERT INTO {schema}.{prefix}done (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        finished_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, new_state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        $1, $1, progress, progress_note, error_text, result, ruled
    FROM ended
),
to_later AS (
    INSERT INTO {schema}.{prefix}later (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        run_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, 1, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        run_ms, $1, progress, progress_note, error_text, result, ruled
    FROM waiting
),
told AS (
    DELETE FROM {schema}.{prefix}telling
    WHERE number = ANY($11::bigint[])
),
telling AS (
    INSERT INTO {schema}.{prefix}telling (parent, state)
    SELECT *
    FROM unnest($12::uuid[], $13::smallint[])
),
sums AS MATERIALIZED (
    SELECT queue, $1::bigint AS now_ms, count(*) AS waiting, NULL::bigint AS cancelled, NULL::bigint AS skipped,
        min(run_ms) AS next_ms
    FROM waiting
    GROUP BY queue
    UNION ALL
    SELECT queue, $1, NULL, count(*) FILTER (WHERE new_state = 8), count(*) FILTER (WHERE new_state = 9), NULL
    FROM ended
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, blocked, scheduled, cancelled, skipped)
    SELECT
        queue, now_ms / 60000, -(coalesce(waiting, 0) + coalesce(cancelled, 0) + coalesce(skipped, 0)), waiting,
        cancelled, skipped
    FROM sums
),
wakes AS (
    SELECT 'scheduled:' || queue AS said
    FROM sums
    WHERE
        next_ms IS NOT NULL
        AND
            -- part: none_sooner
    UNION ALL
    SELECT 'scheduled:' || queue
    FROM unnest($14::text[]) AS queue
    UNION ALL
    SELECT 'finished:' || queue
    FROM sums
    WHERE
        waiting IS NULL
        AND EXISTS (
            SELECT 1
            FROM {schema}.{prefix}ear
            WHERE kind = 'finished' AND until_ms > floor(extract(epoch FROM clock_timestamp()) * 1000)
        )
)
SELECT count(pg_notify($2, said))
FROM wakes
