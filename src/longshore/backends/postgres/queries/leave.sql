-- verb: settle, in a transaction of the caller's, of jobs with limits: their room is given back by the next promote
-- parameters: channel, queues, rules
-- columns: none of use
-- index: none
WITH left_behind AS (
    INSERT INTO {schema}.{prefix}leaving (queue, rules)
    SELECT *
    FROM unnest($2::text[], $3::bytea[])
)
SELECT count(pg_notify($1, 'scheduled:' || queue))
FROM (SELECT DISTINCT queue FROM unnest($2::text[]) AS queue) AS told
