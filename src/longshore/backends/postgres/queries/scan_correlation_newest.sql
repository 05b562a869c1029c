-- verb: scan: jobs with a correlation id, newest first
-- parameters: the correlation id, the id before which it begins (NULL: from the newest), how many
-- columns: id
-- index: job_correlation
SELECT uuid_send(id)
FROM {schema}.{prefix}job
WHERE
    correlation_id = $1::text
    AND id <= coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND id IS DISTINCT FROM $2
ORDER BY id DESC
LIMIT $3
