-- verb: settle: jobs with limits or turns that went back to pending
-- parameters: ids
-- columns: id, priority, place, the other of order and turn
-- index: the primary key of ready
SELECT uuid_send(ready.id), ready.priority, ready.place, ready.aside
FROM
    unnest($1::uuid[]) AS a (id)
    JOIN {schema}.{prefix}ready AS ready ON ready.id = a.id
