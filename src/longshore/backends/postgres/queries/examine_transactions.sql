-- verb: examine
-- parameters: $1 from which age in seconds on
-- columns: who pins dead rows of this database, the oldest first: pid, who, application, state, the age of the transaction and of its statement in seconds
-- index: none; views of what is in memory
SELECT
    pid,
    usename AS who,
    application_name AS application,
    state,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_seconds,
    extract(epoch FROM clock_timestamp() - query_start)::float8 AS statement_seconds
FROM pg_stat_activity
WHERE
    datname = current_database()
    AND pid <> pg_backend_pid()
    AND xact_start < clock_timestamp() - make_interval(secs => $1)
UNION ALL
SELECT
    NULL,
    owner,
    gid,
    'prepared',
    extract(epoch FROM clock_timestamp() - prepared)::float8,
    NULL
FROM pg_prepared_xacts
WHERE
    database = current_database()
    AND prepared < clock_timestamp() - make_interval(secs => $1)
ORDER BY age_seconds DESC
LIMIT 5
