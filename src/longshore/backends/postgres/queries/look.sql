-- verb: insert of jobs with rules
-- parameters: ids, the jobs that were stored last with unique keys, queues that are asked for room
-- columns: what it is about, and then: 'id', the number (from 1) of one that is there; 'holder', its id, its state, created_ms, its queue, its rules; 'room', the queue, how many wait
-- index: the primary keys of job and of the shelves; the tally is read as a whole
SELECT 'id', NULL AS subject, a.n AS one, NULL AS two, NULL AS queue, NULL::bytea AS rules
FROM unnest($1::uuid[]) WITH ORDINALITY AS a (id, n)
WHERE EXISTS (SELECT 1 FROM {schema}.{prefix}job AS job WHERE job.id = a.id)
UNION ALL
SELECT 'holder', encode(uuid_send(a.id), 'hex'), standing.state, job.created_ms, standing.queue, job.rules
FROM
    unnest($2::uuid[]) AS a (id)
    JOIN {schema}.{prefix}standing AS standing ON standing.id = a.id
    JOIN {schema}.{prefix}job AS job ON job.id = a.id
UNION ALL
SELECT
    'room',
    a.queue,
    (
        SELECT
            coalesce(sum(tally.scheduled), 0)
            + coalesce(sum(tally.pending), 0)
            + coalesce(sum(tally.retrying), 0)
            + coalesce(sum(tally.held), 0)
            + coalesce(sum(tally.blocked), 0)
        FROM {schema}.{prefix}tally AS tally
        WHERE tally.queue = a.queue
    )::bigint,
    NULL,
    NULL,
    NULL
FROM unnest($3::text[]) AS a (queue)
