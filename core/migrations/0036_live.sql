-- What a doctor has seen, when nothing is to reach her, how many asks a day do, and browsers that are told. No text stands here.

-- How far she has read: in the conversation of `post_id` up to the answer `seen_id`, at the moment `seen_at`. `mark_id` and
-- `mark_at` are the same as it was when her present visit began, which is what the page draws its line at. By it corrections reach
-- whoever has read what they correct. Kept here only: nobody else is shown it.
CREATE TABLE thread_reads (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id),
    seen_id INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    mark_id INTEGER NOT NULL,
    mark_at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, post_id)
);
CREATE INDEX thread_reads_post ON thread_reads (post_id);
CREATE INDEX thread_reads_seen ON thread_reads (seen_at);

-- The same in a list of the home page, up to the entry `seen_id`.
CREATE TABLE list_reads (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    list TEXT NOT NULL,
    seen_id INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    mark_id INTEGER NOT NULL,
    mark_at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, list)
);

-- Quiet hours: minutes of the day on the country's clocks, the same twice for none, and whether weekends are quiet as a whole.
-- `asks`: how many asks a day reach her by name.
CREATE TABLE attention (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id),
    quiet_from INTEGER NOT NULL DEFAULT 0,
    quiet_until INTEGER NOT NULL DEFAULT 0,
    weekends INTEGER NOT NULL DEFAULT 0,
    asks INTEGER NOT NULL DEFAULT 5
);

-- A doctor of this instance was asked by name, in a consult or in a new post. `told_at` is when that has reached her; NULL: it waits
-- for a day on which she takes asks. `kind` is what she is told.
CREATE TABLE asks (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id),
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    told_at INTEGER,
    PRIMARY KEY (actor_id, post_id)
);
CREATE INDEX asks_post ON asks (post_id);
CREATE INDEX asks_told ON asks (actor_id, told_at);
CREATE INDEX asks_waiting ON asks (actor_id, post_id) WHERE told_at IS NULL;

-- A browser that shows a sign when something is new (RFC 8030), for as long as the session in it lives. `told` is the newest event it
-- has been told of; `endpoint` is a secret of the browser's push service.
CREATE TABLE push_subscriptions (
    session_id INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    secret BLOB NOT NULL,
    told INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL DEFAULT 0
);
