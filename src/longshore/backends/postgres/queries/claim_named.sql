-- verb: claim of jobs by their ids
-- parameters: now_ms (NULL: the server's clock), queues, counts (0: none), sessions, the queues whose locks the caller holds, ids (each once)
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, place, rules; an ask whose session is over has one row without an id; where some of the jobs spend of a rate in a queue whose lock the caller does not hold, nothing is claimed, and the rows tell only these queues, as names with the number 0
-- index: the primary keys of ready, job, session and record
-- part: claims_asked
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        JOIN unnest($6::uuid[]) WITH ORDINALITY AS named (id, n) ON named.n = asked.n
        CROSS JOIN LATERAL (
            SELECT ready.ctid AS spot, ready.*
            FROM {schema}.{prefix}ready AS ready
            WHERE ready.id = named.id AND ready.queue = asked.queue
            LIMIT asked.wanted
            FOR UPDATE SKIP LOCKED
        ) AS next
    WHERE asked.is_live
),
-- part: claims_given
