-- verb: scan: jobs that ended in states in which few do, in no order
-- parameters: states, queues (NULL: all), how many at most
-- columns: id
-- index: done_finished, once for each queue and state
SELECT uuid_send(ended.id)
FROM
    (
        SELECT DISTINCT queue
        FROM {schema}.{prefix}tally
        WHERE $2::text[] IS NULL OR queue = ANY($2::text[])
    ) AS known
    CROSS JOIN unnest($1::smallint[]) AS ending (state)
    CROSS JOIN LATERAL (
        SELECT done.id
        FROM {schema}.{prefix}done AS done
        WHERE done.queue = known.queue AND done.state = ending.state
        ORDER BY done.finished_ms
        LIMIT $3
    ) AS ended
LIMIT $3
