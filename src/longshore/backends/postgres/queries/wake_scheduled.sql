-- verb: settle, in a transaction of the caller's, of jobs with children: the next promote tells them
-- parameters: channel, queues
-- columns: none of use
-- index: none
SELECT count(pg_notify($1, 'scheduled:' || queue))
FROM unnest($2::text[]) AS queue
