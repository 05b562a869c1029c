-- verb: whoever tells children that their parents have ended
-- parameters: parents, the ties before which children were linked to them, how many
-- columns: the parent, the child, the number of the edge, its When, its Missed, until when its parent may come; of the child: queue, priority, run_ms, ruled, aside, rules; the number of the ask (from 1). Their rows are locked
-- index: edge_parent, the primary keys of held and job
SELECT
    uuid_send(edge.parent),
    uuid_send(edge.child),
    edge.number,
    edge.meets,
    edge.missed,
    edge.until_ms,
    held.queue,
    held.priority,
    held.run_ms,
    held.ruled,
    held.aside,
    (SELECT job.rules FROM {schema}.{prefix}job AS job WHERE job.id = edge.child),
    a.n
FROM
    unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS a (parent, before, n)
    CROSS JOIN LATERAL (
        SELECT *
        FROM {schema}.{prefix}edge AS linked
        WHERE linked.parent = a.parent AND linked.linked < a.before
        ORDER BY linked.linked
        LIMIT $3
    ) AS edge
    JOIN {schema}.{prefix}held AS held ON held.id = edge.child AND held.state = 0
ORDER BY a.n, edge.linked
LIMIT $3
FOR UPDATE OF held
