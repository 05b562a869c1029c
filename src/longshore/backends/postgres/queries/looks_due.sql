-- verb: promote: parents that were not there, and are to be looked for
-- parameters: now_ms, how many
-- columns: the parent, the child, the number of the edge, its When, its Missed, until when its parent may come; of the child: queue, priority, run_ms, ruled, aside, rules. Their rows are locked
-- index: edge_look, the primary keys of held and job
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
    (SELECT job.rules FROM {schema}.{prefix}job AS job WHERE job.id = edge.child)
FROM
    (
        SELECT *
        FROM {schema}.{prefix}edge AS absent
        WHERE absent.look_ms <= $1
        ORDER BY absent.look_ms, absent.child, absent.number
        LIMIT $2
    ) AS edge
    JOIN {schema}.{prefix}held AS held ON held.id = edge.child AND held.state = 0
ORDER BY edge.look_ms, edge.child, edge.number
FOR UPDATE OF held
