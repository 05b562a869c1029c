-- verb: whoever tells children that their parents have ended, first of all: where every edge is met and no child has limits or waits for a time, as nearly always, this is all; a step of a workflow then takes 18 µs where `children`, `untie` and `keep` take 36
-- parameters: now_ms, channel, how many edges at most, the parents that ended just now in their order, the tail's first place, how many parents at most
-- columns: whether it could be done (if not, nothing has been), whether there are more edges than that, whether there are more parents, the queues in which somebody became pending
-- index: the primary keys of telling, held and edge; edge_parent
WITH ended AS MATERIALIZED (
    SELECT *
    FROM {schema}.{prefix}telling
    ORDER BY number
    LIMIT $3
),
tellers AS MATERIALIZED (
    SELECT ended.number, ended.parent, ended.state, coalesce(own.n, 0) AS turn
    FROM
        ended
        LEFT JOIN unnest($4::uuid[]) WITH ORDINALITY AS own (parent, n) ON own.parent = ended.parent
    ORDER BY turn, number
    LIMIT $6
),
told AS MATERIALIZED (
    SELECT
        edge.child,
        edge.number,
        row_number() OVER (ORDER BY tellers.turn, tellers.number, edge.linked) AS n,
        CASE edge.meets
            WHEN 0 THEN tellers.state = 6
            WHEN 1 THEN tellers.state = 7
            WHEN 2 THEN tellers.state < 9
            ELSE TRUE
        END AS is_met
    FROM
        tellers
        CROSS JOIN LATERAL (
            SELECT *
            FROM {schema}.{prefix}edge AS linked
            WHERE linked.parent = tellers.parent AND linked.linked < tellers.number
            ORDER BY linked.linked
            LIMIT $3
        ) AS edge
    LIMIT $3
),
children AS MATERIALIZED (
    SELECT held.id, held.aside, held.aside >> 2 AS open, held.ruled, held.run_ms, told.told, told.n
    FROM
        (
            SELECT child, count(*) AS told, max(n) AS n
            FROM told
            GROUP BY child
        ) AS told
        JOIN {schema}.{prefix}held AS held ON held.id = told.child AND held.state = 0
    ORDER BY held.id -- so that whoever else locks several waits in the same order
    FOR UPDATE OF held
),
all_met AS MATERIALIZED (
    SELECT
        (SELECT count(*) < $3 AND coalesce(bool_and(is_met), TRUE) FROM told)
        -- A child whose row was replaced while this waited for it is missed here: another statement sees the new row.
        AND (SELECT count(*) FROM told) = (SELECT coalesce(sum(told), 0) FROM children)
        AND NOT EXISTS (
            SELECT 1
            FROM children
            WHERE aside & 2 <> 0 OR ruled & 7 <> 0 OR run_ms > $1
        ) AS yes
),
forgotten AS (
    DELETE FROM {schema}.{prefix}edge AS edge
    USING
        told
        JOIN children ON children.id = told.child
    WHERE (SELECT yes FROM all_met) AND edge.child = told.child AND edge.number = told.number
),
learned AS (
    UPDATE {schema}.{prefix}held AS held
    SET aside = held.aside - 4 * children.told
    FROM children
    WHERE (SELECT yes FROM all_met) AND held.id = children.id AND children.told < children.open
),
freed AS MATERIALIZED (
    DELETE FROM {schema}.{prefix}held AS held
    USING children
    WHERE (SELECT yes FROM all_met) AND held.id = children.id AND children.told = children.open
    RETURNING held.*, children.n
),
to_ready AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        updated_ms, progress, progress_note, error_text, result, ruled
    )
    SELECT
        $5 + n, id, 3, priority, queue, fence, failures, crashes, releases, session, settled, started_ms,
        $1, progress, progress_note, error_text, result, ruled
    FROM freed
),
has_told AS (
    DELETE FROM {schema}.{prefix}telling AS telling
    USING tellers
    WHERE (SELECT yes FROM all_met) AND telling.number = tellers.number
),
sums AS MATERIALIZED (
    SELECT queue, count(*) AS n
    FROM freed
    GROUP BY queue
),
tallied AS (
    INSERT INTO {schema}.{prefix}tally (queue, minute, pending, blocked)
    SELECT queue, $1::bigint / 60000, n, -n
    FROM sums
)
SELECT
    (SELECT yes FROM all_met),
    (SELECT count(*) >= $3 FROM told),
    (SELECT count(*) FROM ended) > (SELECT count(*) FROM tellers),
    (SELECT array_agg(queue) FROM sums),
    (SELECT count(pg_notify($2, 'pending:' || queue)) FROM sums),
    -- The commit need not wait for the disk: what `telling` says is there, and is told again if this gets lost.
    set_config('synchronous_commit', 'off', TRUE)
