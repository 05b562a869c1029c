-- What jobs wait for (the law of Edges in store/contract.py). A blocked job (state 0) stands in `held`, without a meter; its `aside` says how it is with its edges:
-- how many are open, times 4; and 2 if one that is met is enough; and 1 if one that was missed would cancel it.
--
-- A parent knows that somebody waits for it by the 8 in `ruled`, which goes with it from shelf to shelf.

ALTER TABLE {schema}.{prefix}job ADD COLUMN edges bytea;   -- as core/edges.py packs them
ALTER TABLE {schema}.{prefix}tally ADD COLUMN blocked integer;

-- In this order children were linked, and parents ended.
CREATE SEQUENCE {schema}.{prefix}tie;

-- The open edges of blocked jobs.
CREATE TABLE {schema}.{prefix}edge (
    child uuid NOT NULL,
    number integer NOT NULL,          -- in the order of its edges
    parent uuid NOT NULL,
    meets smallint NOT NULL,          -- When
    missed smallint NOT NULL,         -- Missed
    linked bigint,                    -- since when the parent will tell; NULL: it was not there
    look_ms bigint,                   -- when it is looked for; NULL: it is linked
    until_ms bigint NOT NULL,         -- from when on a parent that is not there counts as cancelled
    PRIMARY KEY (child, number)
);

CREATE INDEX {prefix}edge_parent ON {schema}.{prefix}edge (parent, linked);
CREATE INDEX {prefix}edge_look ON {schema}.{prefix}edge (look_ms, child) WHERE look_ms IS NOT NULL;

-- Parents that have ended and are still to tell their children: written by the statement that ends them.
CREATE TABLE {schema}.{prefix}telling (
    number bigint PRIMARY KEY DEFAULT nextval('{schema}.{prefix}tie'),
    parent uuid NOT NULL,
    state smallint NOT NULL
);

ALTER TABLE {schema}.{prefix}telling SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
