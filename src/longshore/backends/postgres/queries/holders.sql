-- verb: insert of jobs with a unique key
-- parameters: marks, sorted, each once
-- columns: the mark, the last job that was stored with it. Its row is locked: whoever comes with the same key waits
-- index: the primary key of holder
INSERT INTO {schema}.{prefix}holder AS holder (mark)
SELECT mark
FROM unnest($1::bytea[]) AS mark
ON CONFLICT (mark) DO UPDATE SET job = holder.job
RETURNING holder.mark, uuid_send(holder.job)
