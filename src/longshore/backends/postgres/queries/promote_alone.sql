-- verb: promote, where locks of queues are needed
-- parameters: none
-- columns: whether nobody else is at it; if so, nobody else will be until the transaction ends
-- index: none
SELECT pg_try_advisory_xact_lock(hashtextextended('{schema}.{prefix}promotes', 0))
