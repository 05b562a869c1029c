-- verb: adopt of jobs with a unique key
-- parameters: marks whose rows the caller has locked, the jobs that have them now
-- columns: none of use
-- index: the primary key of holder
UPDATE {schema}.{prefix}holder AS holder
SET job = a.job
FROM unnest($1::bytea[], $2::uuid[]) AS a (mark, job)
WHERE holder.mark = a.mark
