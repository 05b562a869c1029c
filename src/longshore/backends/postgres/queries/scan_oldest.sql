-- verb: scan: jobs on some shelves, oldest first
-- parameters: shelves, the id after which it begins (NULL: from the oldest), how many
-- columns: id
-- index: the primary keys of the shelves
SELECT uuid_send(id)
FROM {schema}.{prefix}standing
WHERE
    shelf = ANY($1::integer[])
    AND id >= coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    AND id IS DISTINCT FROM $2
ORDER BY id
LIMIT $3
