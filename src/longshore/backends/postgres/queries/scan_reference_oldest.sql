-- verb: scan: jobs with a reference, oldest first
-- parameters: the reference, the id after which it begins (NULL: from the oldest), how many
-- columns: id
-- index: job_reference
SELECT uuid_send(id)
FROM {schema}.{prefix}job
WHERE
    reference = $1::text
    AND id >= coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    AND id IS DISTINCT FROM $2
ORDER BY id
LIMIT $3
