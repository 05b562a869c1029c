-- verb: scan: jobs that have tags, newest first
-- parameters: always NULL, the id before which it begins (NULL: from the newest), how many
-- columns: id
-- index: job_tagged
SELECT uuid_send(id)
FROM {schema}.{prefix}job
WHERE
    tags IS NOT NULL
    AND $1::text IS NULL
    AND id <= coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND id IS DISTINCT FROM $2
ORDER BY id DESC
LIMIT $3
