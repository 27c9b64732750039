-- Comparing with siblings, and what comes back from them after a backup was restored. Times are milliseconds.

-- What its own instance has made of a post so that it knows it again (posts.seals); empty for posts that were written here.
ALTER TABLE posts ADD COLUMN seal TEXT NOT NULL DEFAULT '';

-- Every comparison with a sibling, newest by id. `why` is nightly, restored or asked; `dry` ones changed nothing. One that was asked
-- for and has not begun waits for the worker. `trouble` is a reason of federation.troubles where it did not come to its end,
-- `results` JSON of what was found and done, by kind.
CREATE TABLE reconciliations (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    by TEXT NOT NULL,
    why TEXT NOT NULL,
    dry INTEGER NOT NULL DEFAULT 0,
    asked_at INTEGER NOT NULL,
    begun_at INTEGER,
    ended_at INTEGER,
    trouble TEXT NOT NULL DEFAULT '',
    results TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX reconciliations_newest ON reconciliations (sibling_id, id);

-- When this database came out of a backup, and of when that was: what was written in between was lost here.
CREATE TABLE restorations (
    restored_at INTEGER PRIMARY KEY,
    backup_at INTEGER NOT NULL
);
