-- Everything that the PostgreSQL store keeps. States are the codes of core/states.py: 1 scheduled, 2 held, 3 pending,
-- 4 running, 5 retrying, 6 and above over. Times are milliseconds since 1970. The why of the layout is ADR 0007, and of
-- what is kept for jobs with rules ADR 0019.
--
-- A job is one row of `job`, its body, and one row of exactly one shelf, its standing: `ready` (pending), `run`
-- (running), `held` (for want of room), `later` (scheduled, retrying) or `done` (over). A step in its life deletes the row from one shelf and puts
-- it on the next; the body, and every index on it, stay as they are.

CREATE SEQUENCE {schema}.{prefix}place;

CREATE TABLE {schema}.{prefix}job (
    id uuid PRIMARY KEY,
    created_ms bigint NOT NULL,
    max_attempts integer,
    name text COLLATE "C" NOT NULL,
    payload bytea NOT NULL,
    details bytea,
    tags text[] COLLATE "C",
    reference text COLLATE "C",
    correlation_id text COLLATE "C",
    rules bytea                       -- as core/rules.py packs them
);

CREATE INDEX {prefix}job_tagged ON {schema}.{prefix}job (id) WHERE tags IS NOT NULL;
CREATE INDEX {prefix}job_reference ON {schema}.{prefix}job (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX {prefix}job_correlation ON {schema}.{prefix}job (correlation_id, id) WHERE correlation_id IS NOT NULL;

-- All shelves have the same columns. NULL is nothing yet, or 0: a waiting job that never ran has seven values only.
CREATE TABLE {schema}.{prefix}ready (
    place bigint NOT NULL,            -- in line: the order of becoming pending, or of becoming held; from 2^62 on a turn
    id uuid PRIMARY KEY,
    state smallint NOT NULL,
    priority smallint NOT NULL,
    queue text COLLATE "C" NOT NULL,
    fence integer,
    failures integer,
    crashes integer,
    releases integer,
    session text COLLATE "C",         -- of the newest claim
    settled smallint,                 -- the state to which the newest claim was settled
    cancel_requested boolean,
    started_ms bigint,
    run_ms bigint,
    finished_ms bigint,
    updated_ms bigint,                -- NULL: nothing has happened since created_ms
    progress double precision,
    progress_note text,
    error_text text,
    result bytea,
    ruled smallint,                   -- 1: it needs room or a turn to be pending; 2: and its claim spends
    aside bigint,                     -- of `place`, whichever of order and turn does not stand there
    held_by text COLLATE "C"          -- the name of a meter
);
CREATE TABLE {schema}.{prefix}run (LIKE {schema}.{prefix}ready, PRIMARY KEY (id));
CREATE TABLE {schema}.{prefix}held (LIKE {schema}.{prefix}ready, PRIMARY KEY (id));
CREATE TABLE {schema}.{prefix}later (LIKE {schema}.{prefix}ready, PRIMARY KEY (id));
CREATE TABLE {schema}.{prefix}done (LIKE {schema}.{prefix}ready, PRIMARY KEY (id));

CREATE INDEX {prefix}ready_line ON {schema}.{prefix}ready (queue, priority, place);
CREATE INDEX {prefix}run_session ON {schema}.{prefix}run (session);
CREATE INDEX {prefix}run_cancelling ON {schema}.{prefix}run (session) WHERE cancel_requested;
CREATE INDEX {prefix}held_line ON {schema}.{prefix}held (queue, held_by, priority, place);
CREATE INDEX {prefix}later_ruled ON {schema}.{prefix}later (run_ms) WHERE ruled IS NOT NULL;
CREATE INDEX {prefix}later_due ON {schema}.{prefix}later (run_ms);
CREATE INDEX {prefix}later_queue ON {schema}.{prefix}later (queue, run_ms);
CREATE INDEX {prefix}done_finished ON {schema}.{prefix}done (queue, state, finished_ms, id);

-- Where a job stands. `shelf` is a constant of each branch, so shelves that are not asked for are never looked at;
-- `version` is another one after every change.
CREATE VIEW {schema}.{prefix}standing AS
SELECT 3 AS shelf, xmin AS version, * FROM {schema}.{prefix}ready
UNION ALL
SELECT 4 AS shelf, xmin AS version, * FROM {schema}.{prefix}run
UNION ALL
SELECT 2 AS shelf, xmin AS version, * FROM {schema}.{prefix}held
UNION ALL
SELECT 1 AS shelf, xmin AS version, * FROM {schema}.{prefix}later
UNION ALL
SELECT 6 AS shelf, xmin AS version, * FROM {schema}.{prefix}done;

CREATE TABLE {schema}.{prefix}failure (
    job uuid NOT NULL,
    fence integer NOT NULL,           -- of the claim that failed, so a claim adds one at most
    body bytea NOT NULL,
    PRIMARY KEY (job, fence)
);

CREATE TABLE {schema}.{prefix}log (
    job uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    body bytea NOT NULL,
    PRIMARY KEY (job, number)
);

CREATE TABLE {schema}.{prefix}session (
    name text COLLATE "C" PRIMARY KEY,
    until_ms bigint NOT NULL          -- a session that is over for good has no row
) WITH (fillfactor = 50);

CREATE TABLE {schema}.{prefix}record (
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    version bigint NOT NULL,
    session text COLLATE "C",
    expires_ms bigint,
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 70);

CREATE INDEX {prefix}record_mortal ON {schema}.{prefix}record (expires_ms)
WHERE expires_ms IS NOT NULL OR session IS NOT NULL;

-- Every step adds a row with what it changed, and nobody waits for anybody: one row per queue, updated by all, would let
-- every worker wait for the commit of every other. A count is a sum; `fold` adds rows together from time to time.
CREATE TABLE {schema}.{prefix}tally (
    queue text COLLATE "C" NOT NULL,
    minute integer,                   -- minutes since 1970; NULL: longer ago than is kept
    scheduled integer,                -- how many more there are of each state
    pending integer,
    running integer,
    retrying integer,
    completed integer,
    failed integer,
    cancelled integer,
    skipped integer,
    held integer,
    added integer,                    -- how often it happened in that minute
    ended integer,
    buried integer,
    retried integer,
    crashed integer,
    run_ms bigint
);

-- Who listens: a NOTIFY takes a lock of the whole database at its commit, so nobody is told what nobody wants to hear.
CREATE TABLE {schema}.{prefix}ear (
    kind text PRIMARY KEY,
    until_ms bigint NOT NULL
);

-- How each limit of each key stands (store/admission.py). Whoever reads or writes a meter holds the lock of its queue.
CREATE TABLE {schema}.{prefix}meter (
    queue text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,   -- rule:key
    kind smallint NOT NULL,
    most integer NOT NULL,            -- its limit
    per_ms bigint NOT NULL,
    burst integer NOT NULL,
    used integer NOT NULL,
    held integer NOT NULL,
    wanted integer NOT NULL,
    spent bytea,
    due_ms bigint,                    -- when the first job that it holds may have room
    idle_ms bigint,                   -- since when nobody needs it; NULL: somebody does
    PRIMARY KEY (queue, name)
) WITH (fillfactor = 50);

CREATE INDEX {prefix}meter_due ON {schema}.{prefix}meter (due_ms) WHERE due_ms IS NOT NULL;

-- Room that is to be given back: claims that ended in a transaction of an application's, which may stay open for long
-- and so takes no lock of a queue.
CREATE TABLE {schema}.{prefix}leaving (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    rules bytea NOT NULL
);

-- Turns: the last tag of each fair key; and with an empty key the largest tag of all, and how many were given.
CREATE TABLE {schema}.{prefix}turn (
    queue text COLLATE "C" NOT NULL,
    priority smallint NOT NULL,
    key text COLLATE "C" NOT NULL,    -- with a colon before it; empty: all keys together
    tag bigint NOT NULL,
    given bigint,
    PRIMARY KEY (queue, priority, key)
) WITH (fillfactor = 70);

-- The last job that was stored with each unique key, whatever has become of it. The row is the lock of the key.
CREATE TABLE {schema}.{prefix}holder (
    mark bytea PRIMARY KEY,           -- a digest of queue and key
    job uuid
) WITH (fillfactor = 70);

-- Rows of these tables live for seconds: look after them early, and do not rest in between.
ALTER TABLE {schema}.{prefix}ready SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE {schema}.{prefix}run SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE {schema}.{prefix}held SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE {schema}.{prefix}meter SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE {schema}.{prefix}later SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE {schema}.{prefix}tally SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- The same bytes with small letters instead of capital ones, ASCII only, whatever else the bytes are.
CREATE FUNCTION {schema}.{prefix}small(words bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN decode(lower(encode(words, 'escape') COLLATE "C"), 'escape');
