-- verb: every one with which blocked jobs come, and promote: how it is with their parents
-- parameters: the parents, each once; channel
-- columns: id, its state: 0 if it is not over; from now on it is known to have children, and its end waits for the commit of the caller. NULL: it is there, but somebody else has it in hands. A parent may have two rows: then the other one counts; one that has none is not there
-- index: the primary keys of the shelves and of job
WITH asked AS MATERIALIZED (
    SELECT id
    FROM unnest($1::uuid[]) AS id
),
got_ready AS MATERIALIZED (
    SELECT ready.id, ready.ruled, ready.queue
    FROM
        asked
        JOIN {schema}.{prefix}ready AS ready ON ready.id = asked.id
    FOR UPDATE OF ready SKIP LOCKED
),
unflagged AS (
    DELETE FROM {schema}.{prefix}ready AS ready
    USING got_ready
    WHERE ready.id = got_ready.id AND coalesce(got_ready.ruled, 0) < 8
    RETURNING ready.*
),
-- Not in its place: a claim that has read the row before would take it from where it does not stand any more.
flagged_ready AS (
    INSERT INTO {schema}.{prefix}ready (
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms, updated_ms,
        progress, progress_note, error_text, result, ruled, aside
    )
    SELECT
        place, id, state, priority, queue, fence, failures, crashes, releases, session, settled, started_ms, updated_ms,
        progress, progress_note, error_text, result, coalesce(ruled, 0) | 8, aside
    FROM unflagged
),
got_run AS MATERIALIZED (
    SELECT run.id, run.ruled
    FROM
        asked
        JOIN {schema}.{prefix}run AS run ON run.id = asked.id
    FOR UPDATE OF run SKIP LOCKED
),
flagged_run AS (
    UPDATE {schema}.{prefix}run AS run
    SET ruled = coalesce(run.ruled, 0) | 8
    FROM got_run
    WHERE run.id = got_run.id AND coalesce(got_run.ruled, 0) < 8
),
got_held AS MATERIALIZED (
    SELECT held.id, held.ruled
    FROM
        asked
        JOIN {schema}.{prefix}held AS held ON held.id = asked.id
    FOR UPDATE OF held SKIP LOCKED
),
flagged_held AS (
    UPDATE {schema}.{prefix}held AS held
    SET ruled = coalesce(held.ruled, 0) | 8
    FROM got_held
    WHERE held.id = got_held.id AND coalesce(got_held.ruled, 0) < 8
),
got_later AS MATERIALIZED (
    SELECT later.id, later.ruled
    FROM
        asked
        JOIN {schema}.{prefix}later AS later ON later.id = asked.id
    FOR UPDATE OF later SKIP LOCKED
),
flagged_later AS (
    UPDATE {schema}.{prefix}later AS later
    SET ruled = coalesce(later.ruled, 0) | 8
    FROM got_later
    WHERE later.id = got_later.id AND coalesce(got_later.ruled, 0) < 8
),
-- Claims pass by rows that are locked.
told AS MATERIALIZED (
    SELECT count(pg_notify($2, 'pending:' || queue)) AS n
    FROM (SELECT DISTINCT queue FROM got_ready) AS passed
)
SELECT uuid_send(id), 0::smallint
FROM
    got_ready,
    told
UNION ALL
SELECT uuid_send(id), 0::smallint
FROM got_run
UNION ALL
SELECT uuid_send(id), 0::smallint
FROM got_held
UNION ALL
SELECT uuid_send(id), 0::smallint
FROM got_later
UNION ALL
SELECT uuid_send(done.id), done.state
FROM
    asked
    JOIN {schema}.{prefix}done AS done ON done.id = asked.id
UNION ALL
SELECT uuid_send(job.id), NULL
FROM
    asked
    JOIN {schema}.{prefix}job AS job ON job.id = asked.id
