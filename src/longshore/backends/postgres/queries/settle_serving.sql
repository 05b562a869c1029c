-- verb: settle of jobs with concurrency limits that are over and kept, without an error, under the locks of their queues: as settle_over.sql, and whoever is held and needs one place of one limit alone gets theirs at once; a fifth of the client's time that deciding in Python takes
-- parameters: now_ms (NULL: the server's clock), channel, ids (each once), sessions, fences, states, charges, then lists that are empty where no settlement has any: results, error texts; the names of the meters of which the jobs have places (NULL: of none), how many; the place behind which whoever is let in stands
-- columns: how many were applied, the numbers (from 1) of those if not all were, the last place that was given, none of use, how many have children that are to be told; and a queue and the name of a meter in each row: those that have room, and hold jobs about which this statement does not decide (one row with NULLs where there are none)
-- index: the primary keys of run, meter and held; held_line
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM
        unnest(
            $3::uuid[], $4::text[], $5::integer[], $6::smallint[], $7::smallint[], $8::bytea[], $9::text[],
            $10::text[], $11::integer[]
        ) WITH ORDINALITY AS a (id, session, fence, state, charge, result, error_text, name, cost, n)
),
ended AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}run AS run
    USING asked
    WHERE
        run.id = asked.id
        AND run.session IS NOT DISTINCT FROM asked.session
        AND run.fence = asked.fence
    RETURNING
        asked.n,
        asked.state,
        asked.charge,
        run.id,
        run.priority,
        run.queue,
        run.fence,
        CASE asked.charge WHEN 1 THEN coalesce(run.failures, 0) + 1 ELSE run.failures END AS failures,
        CASE asked.charge WHEN 2 THEN coalesce(run.crashes, 0) + 1 ELSE run.crashes END AS crashes,
        CASE asked.charge WHEN 3 THEN coalesce(run.releases, 0) + 1 ELSE run.releases END AS releases,
        run.session,
        run.started_ms,
        run.progress,
        run.progress_note,
        coalesce(asked.error_text, run.error_text) AS error_text,
        asked.result,
        run.ruled,
        asked.name,
        asked.cost
),
over AS (
    INSERT INTO {schema}.{prefix}done (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        finished_ms, updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        0, id, state, priority, queue, fence, failures, crashes, releases, session, state, started_ms,
        now_ms, now_ms, progress, progress_note, error_text, result, ruled
    FROM
        ended,
        moment
),
tells AS (
    INSERT INTO {schema}.{prefix}telling (parent, state)
    SELECT id, state
    FROM ended
    WHERE ruled >= 8 AND state >= 6
    RETURNING parent
),
freed AS MATERIALIZED (
    SELECT queue, name, sum(cost) AS freed
    FROM ended
    WHERE name IS NOT NULL
    GROUP BY queue, name
),
decided AS MATERIALIZED (
    SELECT
        roomy.queue,
        roomy.name,
        roomy.freed,
        roomy.spot,
        line.ids,
        CASE WHEN line.is_plain THEN cardinality(line.ids) ELSE 0 END AS n,
        roomy.room > coalesce(cardinality(line.ids), 0) AS is_whole,
        roomy.is_odd OR NOT coalesce(line.is_plain, TRUE) AS is_left
    FROM
        (
            SELECT
                freed.queue,
                freed.name,
                freed.freed,
                meter.ctid AS spot,
                CASE
                    WHEN meter.held > 0 AND meter.kind = 0
                        THEN greatest(meter.most - meter.used + freed.freed, 0)
                    ELSE 0
                END AS room,
                meter.kind <> 0 AS is_odd
            FROM
                freed
                JOIN {schema}.{prefix}meter AS meter ON meter.queue = freed.queue AND meter.name = freed.name
        ) AS roomy
        CROSS JOIN LATERAL (
            SELECT array_agg(next.id ORDER BY next.priority, next.place) AS ids, bool_and(next.ruled & 7 = 3) AS is_plain
            FROM
                (
                    SELECT held.id, held.priority, held.place, held.ruled
                    FROM {schema}.{prefix}held AS held
                    WHERE held.queue = roomy.queue AND held.held_by = roomy.name
                    ORDER BY held.priority, held.place
                    LIMIT roomy.room
                ) AS next
        ) AS line
),
let_in AS MATERIALIZED (
    SELECT next.id, row_number() OVER (ORDER BY decided.queue, decided.name, next.n) AS step
    FROM
        decided
        CROSS JOIN LATERAL unnest(decided.ids) WITH ORDINALITY AS next (id, n)
    WHERE decided.n > 0
),
metered AS (
    UPDATE {schema}.{prefix}meter AS meter
    SET
        used = meter.used - decided.freed + decided.n,
        held = CASE WHEN decided.is_whole AND NOT decided.is_left THEN 0 ELSE meter.held - decided.n END,
        idle_ms = CASE
            WHEN meter.kind = 0 AND meter.used - decided.freed + decided.n = 0
                AND (decided.is_whole OR meter.held = decided.n) AND NOT decided.is_left
                THEN moment.now_ms
        END
    FROM
        decided,
        moment
    WHERE meter.ctid = decided.spot
),
from_held AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}held AS held
    USING let_in
    WHERE held.id = let_in.id
    RETURNING held.*, let_in.step
),
to_ready AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        $12::bigint + step, id, 3, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        now_ms, progress, progress_note, error_text, result, ruled
    FROM
        from_held,
        moment
),
arrived AS MATERIALIZED (
    SELECT queue, count(*) AS n
    FROM from_held
    GROUP BY queue
),
sums AS MATERIALIZED (
    SELECT
        queue,
        now_ms,
        count(*) AS n,
        nullif(count(*) FILTER (WHERE state = 6), 0) AS completed,
        nullif(count(*) FILTER (WHERE state = 7), 0) AS failed,
        nullif(count(*) FILTER (WHERE state = 8), 0) AS cancelled,
        nullif(count(*) FILTER (WHERE state = 9), 0) AS skipped,
        nullif(count(*) FILTER (WHERE state = 8 AND charge = 1), 0) AS retried,
        nullif(count(*) FILTER (WHERE charge = 2), 0) AS crashed,
        nullif(sum(now_ms - started_ms) FILTER (WHERE state IN (6, 7) OR charge = 1), 0) AS run_ms
    FROM
        ended,
        moment
    GROUP BY queue, now_ms
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (
        queue, minute, running, completed, failed, cancelled, ended, buried, retried, crashed, run_ms, skipped,
        pending, held
    )
    SELECT
        queue, now_ms / 60000, -n, completed, failed, cancelled, completed, failed, retried, crashed, run_ms, skipped,
        NULL, NULL
    FROM sums
    UNION ALL
    SELECT queue, now_ms / 60000, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, n, -n
    FROM
        arrived,
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
    UNION ALL
    SELECT 'pending:' || queue
    FROM arrived
),
told AS MATERIALIZED (
    SELECT count(pg_notify($2, said)) AS n
    FROM wakes
)
SELECT
    (SELECT count(*) FROM ended) AS applied,
    (SELECT array_agg(n) FROM ended HAVING count(*) < cardinality($3::uuid[])) AS which,
    $12 + (SELECT count(*) FROM let_in) AS place,
    told.n AS told,
    (SELECT count(*) FROM tells) AS tells,
    decided.queue,
    decided.name
FROM
    told
    LEFT JOIN decided ON decided.is_left
