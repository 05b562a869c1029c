-- verb: examine
-- parameters: $1 the schema, $2 the prefix
-- columns: of each table: its name, whether autovacuum looks after it, its dead rows, from how many on autovacuum comes, and the seconds since any vacuum, at most since the server's start
-- index: pg_class_relname_nsp_index
SELECT
    stat.relname AS name,
    coalesce(options.enabled, TRUE) AS is_looked_after,
    stat.n_dead_tup AS dead,
    coalesce(options.threshold, current_setting('autovacuum_vacuum_threshold')::bigint)
    + coalesce(options.scale, current_setting('autovacuum_vacuum_scale_factor')::float8)
    * greatest(class.reltuples, 0) AS threshold,
    extract(
        epoch FROM clock_timestamp()
        - greatest(stat.last_autovacuum, stat.last_vacuum, pg_postmaster_start_time())
    )::float8 AS rested_seconds
FROM pg_stat_user_tables AS stat
INNER JOIN pg_class AS class ON class.oid = stat.relid
CROSS JOIN LATERAL (
    SELECT
        bool_and(option_value::boolean) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled,
        max(option_value::bigint) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS threshold,
        max(option_value::float8) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale
    FROM pg_options_to_table(class.reloptions)
) AS options
WHERE
    stat.schemaname = $1
    AND starts_with(stat.relname, $2)
ORDER BY stat.relname
