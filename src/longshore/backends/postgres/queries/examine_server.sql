-- verb: examine
-- parameters: none
-- columns: one row of facts about the server, this session and its role
-- index: none; settings, and views of what is in memory
SELECT
    current_setting('server_version_num')::integer / 10000 AS version,
    floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
    pg_is_in_recovery() AS is_replica,
    current_setting('transaction_read_only')::boolean AS is_read_only,
    current_setting('fsync')::boolean AS fsync,
    current_setting('full_page_writes')::boolean AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('autovacuum')::boolean AS autovacuum,
    current_setting('track_counts')::boolean AS track_counts,
    current_setting('jit')::boolean AS jit,
    current_setting('enable_seqscan')::boolean AS enable_seqscan,
    current_setting('default_transaction_isolation') AS isolation,
    current_user AS role,
    coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), FALSE) AS is_superuser,
    coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS is_encrypted,
    host(inet_client_addr()) AS client,
    host(inet_server_addr()) AS server,
    current_setting('max_connections')::integer
    - current_setting('superuser_reserved_connections')::integer
    - coalesce(current_setting('reserved_connections', TRUE)::integer, 0) AS connections,
    (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL) AS connections_taken
