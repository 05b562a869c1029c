-- verb: any that counts, once in a while: rows of the tally are added together
-- parameters: now_ms (NULL: the server's clock)
-- columns: none
-- index: none; the tally is read as a whole, which is why it is kept small
WITH moment AS MATERIALIZED (
    SELECT
        coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) / 60000 AS minute,
        pg_try_advisory_xact_lock(hashtext('{schema}.{prefix}tally')) AS is_alone
),
gone AS (
    DELETE FROM {schema}.{prefix}tally
    WHERE (SELECT is_alone FROM moment)
    RETURNING *
)
INSERT INTO {schema}.{prefix}tally (
    queue, minute, scheduled, pending, running, retrying, completed, failed, cancelled, skipped, held, blocked, added, ended,
    buried, retried, crashed, run_ms
)
SELECT
    queue,
    CASE WHEN minute > (SELECT minute FROM moment) - 1440 THEN minute END,
    sum(scheduled),
    sum(pending),
    sum(running),
    sum(retrying),
    sum(completed),
    sum(failed),
    sum(cancelled),
    sum(skipped),
    sum(held),
    sum(blocked),
    sum(added),
    sum(ended),
    sum(buried),
    sum(retried),
    sum(crashed),
    sum(run_ms)
FROM gone
GROUP BY 1, 2
