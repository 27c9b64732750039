-- Threads that are signed by role only.

-- An actor who is nobody's account: what a doctor is called in one thread that she has signed by role only.
ALTER TABLE actors ADD COLUMN alias INTEGER NOT NULL DEFAULT 0;

-- Badges that run out, for those who write under aliases.
CREATE INDEX actors_ending ON actors (verified_until) WHERE sibling_id IS NULL AND alias = 0 AND verified_until IS NOT NULL;

-- Who writes under an alias, known here and nowhere else; one per doctor and thread. `origins` are the instances that may read the
-- thread, as a JSON list: they alone are told of the alias.
CREATE TABLE aliases (
    actor_id INTEGER PRIMARY KEY REFERENCES actors (id),
    owner_id INTEGER NOT NULL REFERENCES actors (id),
    root_id INTEGER NOT NULL REFERENCES posts (id),
    origins TEXT NOT NULL
);
CREATE UNIQUE INDEX aliases_of ON aliases (owner_id, root_id);

-- Finding out who is behind an alias takes two operators. state: proposed, confirmed or refused; `reason` is read by whom it is about.
CREATE TABLE unmaskings (
    id INTEGER PRIMARY KEY,
    alias_id INTEGER NOT NULL REFERENCES actors (id),
    root_id INTEGER NOT NULL REFERENCES posts (id),
    about TEXT NOT NULL,
    reason TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'proposed',
    proposed_by TEXT NOT NULL,
    proposed_at INTEGER NOT NULL,
    decided_by TEXT NOT NULL DEFAULT '',
    decided_at INTEGER
);
CREATE UNIQUE INDEX unmaskings_open ON unmaskings (alias_id) WHERE state = 'proposed';
CREATE INDEX unmaskings_of ON unmaskings (alias_id, id);
