-- verb: claim of jobs by their ids
-- parameters: now_ms (NULL: the server's clock), queues, ids (each once), sessions, the queues whose locks the caller holds
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, place, rules; an ask whose session is over has one row without an id; where some of the jobs spend of a rate in a queue whose lock the caller does not hold, nothing is claimed, and the rows tell only these queues, as names with the number 0
-- index: the primary keys of ready, job and session
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT
        a.*,
        moment.now_ms,
        EXISTS (
            SELECT 1
            FROM {schema}.{prefix}session AS session
            WHERE session.name = a.session AND session.until_ms > moment.now_ms
        ) AS is_live
    FROM
        moment,
        unnest($2::text[], $3::uuid[], $4::text[]) WITH ORDINALITY AS a (queue, id, session, n)
),
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        CROSS JOIN LATERAL (
            SELECT ready.ctid AS spot, ready.*
            FROM {schema}.{prefix}ready AS ready
            WHERE ready.id = asked.id AND ready.queue = asked.queue
            FOR UPDATE SKIP LOCKED
        ) AS next
    WHERE asked.is_live
),
-- part: claims_given
