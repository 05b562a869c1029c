-- verb: scan: jobs that have tags, oldest first
-- parameters: always NULL, the id after which it begins (NULL: from the oldest), how many
-- columns: id
-- index: job_tagged
SELECT uuid_send(id)
FROM {schema}.{prefix}job
WHERE
    tags IS NOT NULL
    AND $1::text IS NULL
    AND id >= coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
    AND id IS DISTINCT FROM $2
ORDER BY id
LIMIT $3
