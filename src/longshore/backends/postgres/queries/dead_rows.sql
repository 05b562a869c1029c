-- verb: claim, every few seconds: whether dead rows pile up in the lines
-- parameters: none
-- columns: how many, as the server's statistics say
-- index: none; one row of statistics
SELECT coalesce(pg_stat_get_dead_tuples('{schema}.{prefix}ready'::regclass), 0)
