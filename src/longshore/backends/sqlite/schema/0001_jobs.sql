-- Everything that the SQLite store keeps. States are the codes of core/states.py: 1 scheduled, 2 held, 3 pending,
-- 4 running, 5 retrying, 6 and above over. Times are milliseconds since 1970. One table of jobs, updated in place, beat a table
-- per state by 10 % and moving jobs to a history by 26 %, and stays flat at 10 million finished rows.

CREATE TABLE job (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    turn INTEGER NOT NULL DEFAULT 0,  -- the tag of a fair key; jobs without one come first
    ord INTEGER NOT NULL,             -- the place in its queue's line: the order of becoming pending or held
    fence INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    releases INTEGER NOT NULL DEFAULT 0,
    settled INTEGER,                  -- the state to which the newest claim was settled
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER,
    run_ms INTEGER,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER,               -- NULL: nothing has happened since created_ms
    started_ms INTEGER,
    finished_ms INTEGER,
    session TEXT,
    rules BLOB,                       -- NULL for most jobs, and then the next two as well
    held_by TEXT,                     -- the meter that has no room for it: only while it is held
    unique_key BLOB,                  -- only of the last job that came with it
    edges BLOB,                       -- what it waits for, as it came (core/edges.py); NULL for most jobs
    open INTEGER,                     -- only while it is blocked: parents that have not told it their end
    becomes INTEGER,                  -- only while it is blocked: the state that an edge it has missed would give it
    awaited INTEGER,                  -- 1: others wait for its end
    name TEXT NOT NULL,
    tags TEXT,                        -- each between line feeds
    reference TEXT,
    correlation_id TEXT,
    progress REAL,
    progress_note TEXT,
    error_text TEXT,
    result BLOB,
    details BLOB,
    payload BLOB NOT NULL
);

CREATE INDEX job_pending ON job (queue, priority, turn, ord) WHERE state = 3;
CREATE UNIQUE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_due ON job (run_ms, queue) WHERE state IN (1, 5);
CREATE INDEX job_running ON job (session) WHERE state = 4;
CREATE INDEX job_cancelling ON job (session) WHERE cancel_requested = 1;
CREATE INDEX job_finished ON job (queue, state, finished_ms) WHERE state >= 6;
CREATE INDEX job_tagged ON job (id) WHERE tags IS NOT NULL;
CREATE INDEX job_reference ON job (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX job_correlation ON job (correlation_id, id) WHERE correlation_id IS NOT NULL;

CREATE TABLE edge (
    number INTEGER PRIMARY KEY,       -- the order in which they were linked
    parent BLOB NOT NULL,             -- an id, because it may not be there yet
    child INTEGER NOT NULL,           -- a job that is blocked
    place INTEGER NOT NULL,           -- among the child's edges
    look_ms INTEGER                   -- when to look once more for a parent that was not there
);

CREATE INDEX edge_parent ON edge (parent);
CREATE INDEX edge_child ON edge (child);
CREATE INDEX edge_look ON edge (look_ms) WHERE look_ms IS NOT NULL;

CREATE TABLE failure (
    job INTEGER NOT NULL,
    fence INTEGER NOT NULL,           -- of the claim that failed, so a claim adds one at most
    body BLOB NOT NULL,
    PRIMARY KEY (job, fence)
) WITHOUT ROWID;

CREATE TABLE log (
    job INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

CREATE TABLE session (
    name TEXT PRIMARY KEY,
    until_ms INTEGER NOT NULL         -- a session that is over for good has no row
) WITHOUT ROWID;

CREATE TABLE record (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    session TEXT,
    expires_ms INTEGER,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE INDEX record_mortal ON record (expires_ms, session) WHERE expires_ms IS NOT NULL OR session IS NOT NULL;

CREATE TABLE tally (
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    n INTEGER NOT NULL,               -- exact: moved in the same transaction as the jobs
    place INTEGER NOT NULL,           -- of pending jobs: the last place in line that was given
    PRIMARY KEY (queue, state)
) WITHOUT ROWID;

CREATE TABLE minute (
    queue TEXT NOT NULL,
    minute INTEGER NOT NULL,          -- minutes since 1970
    added INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    retried INTEGER NOT NULL,
    crashed INTEGER NOT NULL,
    run_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, minute)
) WITHOUT ROWID;

CREATE TABLE meter (
    queue TEXT NOT NULL,
    name TEXT NOT NULL,               -- rule:key
    kind INTEGER NOT NULL,            -- this and what follows: store/admission.py
    most INTEGER NOT NULL,            -- the limit
    per_ms INTEGER NOT NULL,
    burst INTEGER NOT NULL,
    used INTEGER NOT NULL,
    spent BLOB NOT NULL,
    held INTEGER NOT NULL,            -- exact: how many jobs have this held_by
    wanted INTEGER NOT NULL,
    due_ms INTEGER,                   -- when time gives room to the first that it holds
    past_priority INTEGER NOT NULL,   -- this and the next: no job that it holds stands here in `held`, or before
    past_ord INTEGER NOT NULL,
    stale INTEGER NOT NULL,           -- entries of `held` that it holds no more
    PRIMARY KEY (queue, name)
) WITHOUT ROWID;

CREATE INDEX meter_due ON meter (due_ms, queue) WHERE due_ms IS NOT NULL;

CREATE TABLE held (                   -- who waits for which meter, in its order. What a job that is held no more leaves
    queue TEXT NOT NULL,              -- behind goes later, many entries at once (ADR 27): an entry counts only as far as
    meter TEXT NOT NULL,              -- its job says the same
    priority INTEGER NOT NULL,
    ord INTEGER NOT NULL,
    job INTEGER NOT NULL,
    PRIMARY KEY (queue, meter, priority, ord)
) WITHOUT ROWID;

CREATE TABLE turn (
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    key TEXT NOT NULL,
    tag INTEGER NOT NULL,             -- the last that a job with this fair key was given
    PRIMARY KEY (queue, priority, key)
) WITHOUT ROWID;

CREATE TABLE last_turn (
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    tag INTEGER NOT NULL,             -- the largest that was ever given
    PRIMARY KEY (queue, priority)
) WITHOUT ROWID;
