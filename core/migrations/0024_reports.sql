-- Reports: what doctors and siblings say about a post, and what becomes of it. Times are milliseconds.

-- Since when a post is hidden from the doctors of this instance, because somebody said that a patient can be recognised; and of one
-- that operators have taken down, why (a category of reports): who erased an erased post would not be known otherwise.
ALTER TABLE posts ADD COLUMN hidden_at INTEGER;
ALTER TABLE posts ADD COLUMN taken_down TEXT NOT NULL DEFAULT '';
DROP INDEX posts_waiting;
CREATE INDEX posts_waiting ON posts (id)
    WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named' AND hidden_at IS NULL AND state = 'open' AND replies = 0;

-- A post that was reported, and how far its author's instance is with it: `round` counts what that has said. `kept` is the sealed text
-- of one that was taken down, until no appeal is possible any more. `looked_at` is when the operators of this instance have last
-- decided that it may be seen here.
CREATE TABLE matters (
    id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    state TEXT NOT NULL,
    category TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    round INTEGER NOT NULL DEFAULT 0,
    decided_at INTEGER,
    appeal TEXT NOT NULL DEFAULT '',
    appealed_at INTEGER,
    kept BLOB,
    looked_at INTEGER,
    told_at INTEGER
);
CREATE UNIQUE INDEX matters_open ON matters (post_id) WHERE state = 'open';
CREATE INDEX matters_post ON matters (post_id, id);
CREATE INDEX matters_state ON matters (state, id);
CREATE INDEX matters_untold ON matters (decided_at) WHERE state = 'deleted' AND told_at IS NULL;
CREATE INDEX matters_decided ON matters (decided_at) WHERE decided_at IS NOT NULL;

-- What was decided, in the words that author and reporters read; `by` is an operator of this instance, or nobody where it was
-- decided elsewhere.
CREATE TABLE matter_decisions (
    matter_id INTEGER NOT NULL REFERENCES matters (id),
    round INTEGER NOT NULL,
    result TEXT NOT NULL,
    reason TEXT NOT NULL,
    language TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (matter_id, round)
);

-- One report: of a doctor here, of an operator here (`operator`, who has read the post for another reason), or of a sibling, which does
-- not say whose it is. `uri` is that of the Flag it came or goes with.
CREATE TABLE reports (
    id INTEGER PRIMARY KEY,
    matter_id INTEGER NOT NULL REFERENCES matters (id),
    reporter_id INTEGER REFERENCES actors (id),
    sibling_id INTEGER REFERENCES siblings (id),
    operator TEXT NOT NULL DEFAULT '',
    uri TEXT NOT NULL DEFAULT '',
    uri_key BLOB UNIQUE,
    category TEXT NOT NULL,
    text TEXT NOT NULL,
    language TEXT NOT NULL,
    shared INTEGER NOT NULL,
    at INTEGER NOT NULL
);
CREATE UNIQUE INDEX reports_once ON reports (matter_id, reporter_id) WHERE reporter_id IS NOT NULL;
CREATE INDEX reports_by ON reports (reporter_id, id) WHERE reporter_id IS NOT NULL;
CREATE INDEX reports_of ON reports (matter_id, id);
CREATE INDEX reports_from ON reports (sibling_id, id) WHERE sibling_id IS NOT NULL;

-- An operator has read a post without a report: why, and when its author was told.
CREATE TABLE opened_posts (
    id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    told_at INTEGER
);
CREATE INDEX opened_posts_post ON opened_posts (post_id);
CREATE INDEX opened_posts_untold ON opened_posts (at) WHERE told_at IS NULL;
