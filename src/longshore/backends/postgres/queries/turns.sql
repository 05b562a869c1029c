-- verb: every one by which jobs with a fair key become pending
-- parameters: queues, priorities, keys (with a colon before each), each triple once
-- columns: the number of the ask (from 1), the last tag of the key, the largest of all, how many were given, the place of the first pending one
-- index: the primary key of turn; ready_line
SELECT
    a.n,
    (
        SELECT turn.tag
        FROM {schema}.{prefix}turn AS turn
        WHERE turn.queue = a.queue AND turn.priority = a.priority AND turn.key = a.key
    ),
    whole.tag,
    whole.given,
    (
        SELECT ready.place
        FROM {schema}.{prefix}ready AS ready
        WHERE ready.queue = a.queue AND ready.priority = a.priority AND ready.place >= 4611686018427387904
        ORDER BY ready.place
        LIMIT 1
    )
FROM
    unnest($1::text[], $2::smallint[], $3::text[]) WITH ORDINALITY AS a (queue, priority, key, n)
    LEFT JOIN {schema}.{prefix}turn AS whole
        ON whole.queue = a.queue AND whole.priority = a.priority AND whole.key = ''
