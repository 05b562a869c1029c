-- verb: claim
-- parameters: now_ms (NULL: the server's clock), queues (each once), counts, sessions, the queues whose locks the caller holds
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, place, rules; an ask whose session is over has one row without an id; where some of the jobs spend of a rate in a queue whose lock the caller does not hold, nothing is claimed, and the rows tell only these queues, as names with the number 0
-- index: ready_line; the primary keys of job, session and record (LIMIT 1 keeps the planner, which takes a tenth of the line for what LIMIT gives, from reading all of job)
-- part: claims_asked
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        CROSS JOIN LATERAL (
            SELECT ready.ctid AS spot, ready.*
            FROM {schema}.{prefix}ready AS ready
            WHERE ready.queue = asked.queue
            ORDER BY ready.priority, ready.place
            LIMIT asked.wanted
            FOR UPDATE SKIP LOCKED
        ) AS next
    WHERE asked.is_live AND NOT asked.is_paused
),
-- part: claims_given
