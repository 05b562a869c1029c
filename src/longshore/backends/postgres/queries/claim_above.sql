-- verb: claim where many dead rows lie at the heads of the lines, because an old snapshot keeps them
-- parameters: now_ms (NULL: the server's clock), queues (each once), counts, sessions, the queues whose locks the caller holds, and for each queue and priority (0 to 9) the place from which on it looks
-- columns: the number of the ask (from 1), id, name, payload, priority, max_attempts, fence, failures, crashes, releases, created_ms, details, place, rules; an ask whose session is over has one row without an id; where some of the jobs spend of a rate in a queue whose lock the caller does not hold, nothing is claimed, and the rows tell only these queues, as names with the number 0
-- index: ready_line; the primary keys of job, session and record (LIMIT 1 keeps the planner, which takes a tenth of the line for what LIMIT gives, from reading all of job)
-- part: claims_asked
head AS MATERIALIZED (
    SELECT asked.n, asked.now_ms, asked.session AS claimer, next.*
    FROM
        asked
        CROSS JOIN LATERAL (
            SELECT line.*
            FROM
                generate_series(0, 9) AS level (priority)
                CROSS JOIN LATERAL (
                    SELECT ready.ctid AS spot, ready.*
                    FROM {schema}.{prefix}ready AS ready
                    WHERE
                        ready.queue = asked.queue
                        AND ready.priority = level.priority
                        AND ready.place >= ($6::bigint[])[asked.n * 10 - 9 + level.priority]
                    ORDER BY ready.place
                    LIMIT asked.wanted
                    FOR UPDATE SKIP LOCKED
                ) AS line
            LIMIT asked.wanted
        ) AS next
    WHERE asked.is_live AND NOT asked.is_paused
),
-- part: claims_given
