-- verb: scan: jobs that have ended, the newest end first
-- parameters: states, queues (NULL: all), the time before which they ended, or at which with a smaller id, id, how many
-- columns: finished_ms, id
-- index: done_finished, once for each queue and state
SELECT stream.finished_ms, uuid_send(stream.id)
FROM
    (
        SELECT DISTINCT queue
        FROM {schema}.{prefix}tally
        WHERE $2::text[] IS NULL OR queue = ANY($2::text[])
    ) AS known
    CROSS JOIN unnest($1::smallint[]) AS ending (state)
    CROSS JOIN LATERAL (
        SELECT done.finished_ms, done.id
        FROM {schema}.{prefix}done AS done
        WHERE
            done.queue = known.queue
            AND done.state = ending.state
            AND (done.finished_ms, done.id) < ($3::bigint, $4::uuid)
        ORDER BY done.finished_ms DESC, done.id DESC
        LIMIT $5
    ) AS stream
ORDER BY stream.finished_ms DESC, stream.id DESC
LIMIT $5
