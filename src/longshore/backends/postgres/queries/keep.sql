-- verb: every one that touches jobs with limits or turns: what was decided
-- parameters: now_ms, channel; jobs that are pending or held: ids, states, places, the other of order and turn, the meters that hold them; meters: queues, names, kinds, limits, per_ms, bursts, used, held, wanted, spent, due_ms, idle_ms; turns: queues, priorities, keys, tags, given; what else is told; of the jobs, when they were changed (NULL: when their rows say)
-- columns: none of use
-- index: the primary keys of ready, held, meter and turn
WITH asked AS MATERIALIZED (
    SELECT a.*
    FROM
        unnest($3::uuid[], $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $26::bigint[])
        AS a (id, new_state, new_place, new_aside, holder, new_ms)
),
from_ready AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING asked
    WHERE ready.id = asked.id
    RETURNING ready.*, asked.new_state, asked.new_place, asked.new_aside, asked.holder, asked.new_ms
),
from_held AS (
    DELETE FROM {schema}.{prefix}held AS held
    USING asked
    WHERE held.id = asked.id
    RETURNING held.*, asked.new_state, asked.new_place, asked.new_aside, asked.holder, asked.new_ms
),
moved AS MATERIALIZED (
    SELECT *
    FROM from_ready
    UNION ALL
    SELECT *
    FROM from_held
),
to_ready AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside
    )
    SELECT
        new_place, id, 3, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        coalesce(new_ms, updated_ms), progress, progress_note, error_text, result, ruled, new_aside
    FROM moved
    WHERE new_state = 3
),
to_held AS (
    INSERT INTO {schema}.{prefix}held (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled, aside, held_by
    )
    SELECT
        new_place, id, 2, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        coalesce(new_ms, updated_ms), progress, progress_note, error_text, result, ruled, new_aside, holder
    FROM moved
    WHERE new_state = 2
),
sums AS MATERIALIZED (
    SELECT
        queue,
        count(*) FILTER (WHERE new_state = 3) - count(*) FILTER (WHERE state = 3) AS pending,
        count(*) FILTER (WHERE new_state = 2) - count(*) FILTER (WHERE state = 2) AS held,
        count(*) FILTER (WHERE state = 0) AS freed,
        count(*) FILTER (WHERE new_state = 3 AND state IN (0, 2)) AS arrived
    FROM moved
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, pending, held, blocked)
    SELECT queue, $1::bigint / 60000, pending, held, -nullif(freed, 0)
    FROM sums
    WHERE pending <> 0 OR held <> 0 OR freed <> 0
),
metered AS (
    INSERT INTO {schema}.{prefix}meter
        (queue, name, kind, most, per_ms, burst, used, held, wanted, spent, due_ms, idle_ms)
    SELECT *
    FROM
        unnest(
            $8::text[], $9::text[], $10::smallint[], $11::integer[], $12::bigint[], $13::integer[], $14::integer[],
            $15::integer[], $16::integer[], $17::bytea[], $18::bigint[], $19::bigint[]
        )
    ON CONFLICT (queue, name) DO UPDATE SET
        kind = excluded.kind,
        most = excluded.most,
        per_ms = excluded.per_ms,
        burst = excluded.burst,
        used = excluded.used,
        held = excluded.held,
        wanted = excluded.wanted,
        spent = excluded.spent,
        due_ms = excluded.due_ms,
        idle_ms = excluded.idle_ms
),
turned AS (
    INSERT INTO {schema}.{prefix}turn (queue, priority, key, tag, given)
    SELECT *
    FROM unnest($20::text[], $21::smallint[], $22::text[], $23::bigint[], $24::bigint[])
    ON CONFLICT (queue, priority, key) DO UPDATE SET tag = excluded.tag, given = excluded.given
),
-- Always: a step with limits lasts long, and whoever was there when it began may have found the line empty before it ends.
wakes AS (
    SELECT 'pending:' || queue AS said
    FROM sums
    WHERE arrived > 0
    UNION ALL
    SELECT said
    FROM unnest($25::text[]) AS said
)
SELECT count(pg_notify($2, said))
FROM wakes
