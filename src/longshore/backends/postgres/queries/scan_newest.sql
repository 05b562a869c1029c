-- verb: scan: jobs on some shelves, newest first
-- parameters: shelves, the id before which it begins (NULL: from the newest), how many
-- columns: id
-- index: the primary keys of the shelves
SELECT uuid_send(id)
FROM {schema}.{prefix}standing
WHERE
    shelf = ANY($1::integer[])
    AND id <= coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND id IS DISTINCT FROM $2
ORDER BY id DESC
LIMIT $3
