-- verb: change: note
-- parameters: now_ms (NULL: the server's clock), ids (each once), sessions, fences, progress, progress notes, then lines: the number (from 1) of the note each belongs to, bodies; how many lines of a job are kept
-- columns: the numbers of the notes whose claim is the newest
-- index: the primary keys of run and log
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::bigint, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) AS now_ms
),
asked AS MATERIALIZED (
    SELECT a.*
    FROM
        unnest($2::uuid[], $3::text[], $4::integer[], $5::double precision[], $6::text[])
        WITH ORDINALITY AS a (id, session, fence, progress, progress_note, n)
),
noted AS MATERIALIZED (
    UPDATE {schema}.{prefix}run AS run
    SET
        progress = coalesce(asked.progress, run.progress),
        progress_note = coalesce(asked.progress_note, run.progress_note),
        updated_ms = moment.now_ms
    FROM
        asked,
        moment
    WHERE run.id = asked.id AND run.session IS NOT DISTINCT FROM asked.session AND run.fence = asked.fence
    RETURNING asked.n, run.id
),
lines AS MATERIALIZED (
    SELECT noted.id, line.body, line.place
    FROM
        unnest($7::integer[], $8::bytea[]) WITH ORDINALITY AS line (n, body, place)
        JOIN noted ON noted.n = line.n
),
logged AS (
    INSERT INTO {schema}.{prefix}log (job, body)
    SELECT id, body
    FROM lines
    ORDER BY place
),
trimmed AS (
    DELETE FROM {schema}.{prefix}log AS log
    USING (SELECT id, least(count(*), $9) AS n FROM lines GROUP BY id) AS added
    WHERE
        log.job = added.id
        AND log.number <= (
            SELECT older.number
            FROM {schema}.{prefix}log AS older
            WHERE older.job = added.id
            ORDER BY older.number DESC
            OFFSET $9 - added.n
            LIMIT 1
        )
)
SELECT n
FROM noted
