-- verb: listen
-- parameters: $1 a kind of wake-up, $2 for how many milliseconds from now
-- columns: none
-- index: the primary key of ear
INSERT INTO {schema}.{prefix}ear AS ear (kind, until_ms)
VALUES ($1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2::bigint)
ON CONFLICT (kind) DO UPDATE
SET until_ms = excluded.until_ms
WHERE ear.until_ms < excluded.until_ms - $2::bigint / 4
