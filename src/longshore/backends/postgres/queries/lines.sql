-- verb: every one that touches jobs with limits: those that meters hold, next ones first
-- parameters: queues, names of meters, how many of each are known already, how many more are asked for
-- columns: the number of the ask (from 1), id, priority, place, the other of order and turn, rules
-- index: held_line, the primary key of job
SELECT a.n, uuid_send(line.id), line.priority, line.place, line.aside, job.rules
FROM
    unnest($1::text[], $2::text[], $3::integer[], $4::integer[]) WITH ORDINALITY AS a (queue, name, known, wanted, n)
    CROSS JOIN LATERAL (
        SELECT held.id, held.priority, held.place, held.aside
        FROM {schema}.{prefix}held AS held
        WHERE held.queue = a.queue AND held.held_by = a.name
        ORDER BY held.priority, held.place
        OFFSET a.known
        LIMIT a.wanted
    ) AS line
    CROSS JOIN LATERAL (
        SELECT body.rules
        FROM {schema}.{prefix}job AS body
        WHERE body.id = line.id
        LIMIT 1
    ) AS job
ORDER BY a.n, line.priority, line.place
