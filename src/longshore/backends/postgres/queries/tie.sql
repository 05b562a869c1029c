-- verb: every one with which blocked jobs come, and promote: edges that stay open
-- parameters: channel, queues that are told that there is a time to wait for; children, numbers of edges, parents, Whens, Misseds, whether they are linked, when the parent is looked for (NULL: it is linked), until when it may come
-- columns: none of use
-- index: the primary key of edge
WITH written AS (
    INSERT INTO {schema}.{prefix}edge (child, number, parent, meets, missed, linked, look_ms, until_ms)
    SELECT
        a.child, a.number, a.parent, a.meets, a.missed,
        CASE WHEN a.is_linked THEN nextval('{schema}.{prefix}tie') END,
        a.look_ms, a.until_ms
    FROM
        unnest(
            $3::uuid[], $4::integer[], $5::uuid[], $6::smallint[], $7::smallint[], $8::boolean[], $9::bigint[],
            $10::bigint[]
        ) AS a (child, number, parent, meets, missed, is_linked, look_ms, until_ms)
    ON CONFLICT (child, number) DO UPDATE SET linked = excluded.linked, look_ms = excluded.look_ms
)
SELECT count(pg_notify($1, 'scheduled:' || queue))
FROM unnest($2::text[]) AS queue
