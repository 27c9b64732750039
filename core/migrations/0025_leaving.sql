-- Leaving: who leaves and how far that has come, what is kept so that nobody gets her handle, and the archives that are made for
-- who asks. Times are milliseconds.

-- A doctor of this instance leaves at `due_at`, which she can take back until `begun_at`; then everything of hers goes, stage by
-- stage. One of a sibling (no account) has left when her instance said so. `posts` is how many were erased.
CREATE TABLE departures (
    actor_id INTEGER PRIMARY KEY REFERENCES actors (id),
    account_id INTEGER UNIQUE REFERENCES accounts (id),
    by TEXT NOT NULL DEFAULT '',
    asked_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    begun_at INTEGER,
    stage TEXT NOT NULL DEFAULT '',
    posts INTEGER NOT NULL DEFAULT 0,
    done_at INTEGER
);
CREATE INDEX departures_open ON departures (due_at) WHERE done_at IS NULL;
CREATE INDEX departures_newest ON departures (begun_at, actor_id) WHERE account_id IS NOT NULL AND begun_at IS NOT NULL;

-- Keyed hashes of the handles of those who have left; `actor_key` says whose it was to whoever knows her address.
CREATE TABLE reserved_handles (
    handle_key BLOB PRIMARY KEY,
    actor_key BLOB NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX reserved_handles_actor ON reserved_handles (actor_key);

-- Whoever has left has no handle.
DROP INDEX actors_here;
CREATE UNIQUE INDEX actors_here ON actors (handle) WHERE sibling_id IS NULL AND gone_at IS NULL;

-- Of a sibling's poll whose last tally has been sent: how many of the voters in it have left since, and what they had chosen, by
-- option (JSON), so that what is attested is what was told.
ALTER TABLE kept_polls ADD COLUMN left_voters INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept_polls ADD COLUMN left_votes TEXT NOT NULL DEFAULT '[]';

-- The archive that a doctor has asked for, one at a time: state is waiting, making, ready, failed or over. It is made in `pieces`,
-- sealed files beside the database: `stage` and `cursor` say up to what, `posts` of `total` how far that is. `bytes` is how large
-- the finished one is, `tries` how often making it was put off.
CREATE TABLE exports (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id),
    id INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL,
    language TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    stage TEXT NOT NULL DEFAULT '',
    cursor INTEGER NOT NULL DEFAULT 0,
    pieces INTEGER NOT NULL DEFAULT 0,
    posts INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL DEFAULT 0,
    ready_at INTEGER
);
CREATE INDEX exports_open ON exports (asked_at) WHERE state IN ('waiting', 'making');
