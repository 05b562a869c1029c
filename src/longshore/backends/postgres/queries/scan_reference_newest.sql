-- verb: scan: jobs with a reference, newest first
-- parameters: the reference, the id before which it begins (NULL: from the newest), how many
-- columns: id
-- index: job_reference
SELECT uuid_send(id)
FROM {schema}.{prefix}job
WHERE
    reference = $1::text
    AND id <= coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND id IS DISTINCT FROM $2
ORDER BY id DESC
LIMIT $3
