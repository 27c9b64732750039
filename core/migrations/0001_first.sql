-- Times are milliseconds since the epoch; ids are time-ordered integers (core.ids); *_key columns are 24-byte keys of URIs (core.ids.uri_key).

CREATE TABLE instance_keys (
    id INTEGER PRIMARY KEY,
    purpose TEXT NOT NULL,
    public_pem TEXT NOT NULL,
    sealed_private BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
);

-- The allowlist. One row per origin, one state each.
CREATE TABLE siblings (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    actor_uri TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_pem TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    inbox TEXT NOT NULL,
    members TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    activated_at INTEGER,
    changed_at INTEGER NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    last_in INTEGER,
    skew_ms INTEGER
);

-- How sending to a sibling is going; apart from `siblings` so that the gate's row stays still.
CREATE TABLE delivery_lines (
    sibling_id INTEGER PRIMARY KEY REFERENCES siblings (id),
    next_sequence INTEGER NOT NULL DEFAULT 1,
    fail_count INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER,
    next_try INTEGER NOT NULL DEFAULT 0,
    last_out INTEGER,
    last_error TEXT NOT NULL DEFAULT '',  -- a reason of federation.troubles
    alarm INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE refusals (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    direction TEXT NOT NULL,
    origin TEXT NOT NULL,
    purpose TEXT NOT NULL,
    reason TEXT NOT NULL,
    path TEXT NOT NULL,
    detail TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    UNIQUE (bucket, direction, origin, purpose, reason)
);
CREATE INDEX refusals_by_origin ON refusals (origin);

CREATE TABLE actors (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL,
    uri_key BLOB NOT NULL UNIQUE,
    sibling_id INTEGER REFERENCES siblings (id),
    handle TEXT NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    specialties TEXT NOT NULL,
    country TEXT NOT NULL,
    verified_by TEXT NOT NULL,
    verified_on INTEGER NOT NULL,
    verified_until INTEGER,
    fetched_at INTEGER NOT NULL,
    gone_at INTEGER
);
CREATE INDEX actors_by_handle ON actors (handle, domain);
-- A sibling may give a handle to somebody new; here accounts decide.
CREATE UNIQUE INDEX actors_here ON actors (handle) WHERE sibling_id IS NULL;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    handle TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    actor_id INTEGER UNIQUE REFERENCES actors (id),
    password_hash TEXT NOT NULL,
    method TEXT NOT NULL DEFAULT '',
    evidence TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
);

CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE login_attempts (
    subject TEXT PRIMARY KEY,
    window_start INTEGER NOT NULL,
    count INTEGER NOT NULL
);

CREATE TABLE posts (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL,
    uri_key BLOB NOT NULL UNIQUE,
    author_id INTEGER NOT NULL REFERENCES actors (id),
    sibling_id INTEGER REFERENCES siblings (id),
    kind TEXT NOT NULL,
    root_id INTEGER NOT NULL,
    parent_id INTEGER REFERENCES posts (id),
    question TEXT NOT NULL,
    source TEXT NOT NULL,
    html TEXT NOT NULL,
    language TEXT NOT NULL,
    facts TEXT NOT NULL,
    state TEXT,
    reach TEXT NOT NULL,
    audience TEXT NOT NULL,
    country TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    updated_at INTEGER,
    revision INTEGER NOT NULL DEFAULT 1,
    replies INTEGER NOT NULL DEFAULT 0,
    erased_at INTEGER,
    sent_once BLOB
);
CREATE UNIQUE INDEX posts_sent_once ON posts (author_id, sent_once) WHERE sent_once IS NOT NULL;
CREATE INDEX posts_top ON posts (id) WHERE parent_id IS NULL AND erased_at IS NULL;
CREATE INDEX posts_by_country ON posts (country, id) WHERE parent_id IS NULL AND erased_at IS NULL;
CREATE INDEX posts_waiting ON posts (id) WHERE parent_id IS NULL AND erased_at IS NULL AND state = 'open' AND replies = 0;
CREATE INDEX posts_thread ON posts (root_id, id) WHERE parent_id IS NOT NULL;
CREATE INDEX posts_by_author ON posts (author_id, id);

CREATE TABLE revisions (
    post_id INTEGER NOT NULL REFERENCES posts (id),
    revision INTEGER NOT NULL,
    question TEXT NOT NULL,
    html TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (post_id, revision)
);

CREATE TABLE polls (
    post_id INTEGER PRIMARY KEY REFERENCES posts (id),
    multiple INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    closed_at INTEGER,
    voters INTEGER NOT NULL DEFAULT 0,
    stale_since INTEGER
);
CREATE INDEX polls_open ON polls (ends_at) WHERE closed_at IS NULL;
CREATE INDEX polls_stale ON polls (stale_since) WHERE stale_since IS NOT NULL;

CREATE TABLE poll_options (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    votes INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (post_id, position)
);

-- `slot` is 0 where one choice is allowed and the option's number plus one where several are: one index, both rules.
CREATE TABLE votes (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    voter_id INTEGER NOT NULL REFERENCES actors (id),
    slot INTEGER NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (post_id, voter_id, slot)
);

CREATE TABLE tombstones (
    uri_key BLOB PRIMARY KEY,
    uri TEXT NOT NULL,
    origin TEXT NOT NULL,
    at INTEGER NOT NULL
);

-- Which activities have been seen. Digests only: the body lives here no longer than it is Held.
CREATE TABLE ledger (
    uri_key BLOB PRIMARY KEY,
    sibling_id INTEGER NOT NULL,
    digest BLOB NOT NULL,
    outcome TEXT NOT NULL,
    received_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What waits, unseen, for an actor or a post (`wanted`) that is `missing`; a deletion of `about_key` takes it along.
CREATE TABLE held (
    activity_key BLOB PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    about_key BLOB NOT NULL,
    missing TEXT NOT NULL,
    missing_key BLOB NOT NULL,
    wanted TEXT NOT NULL,
    body BLOB NOT NULL,
    received_at INTEGER NOT NULL,
    next_try INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'waiting',
    reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX held_by_missing ON held (missing_key);
CREATE INDEX held_about ON held (about_key);
CREATE INDEX held_due ON held (next_try) WHERE state = 'waiting';

-- Activities on their way. `object_key` keeps the order per object; a deletion of `about_key` takes the body along: that
-- is the post itself and, for a vote, the poll whose option it names.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    uri TEXT NOT NULL,
    type TEXT NOT NULL,
    object_key BLOB NOT NULL,
    about_key BLOB NOT NULL,
    body BLOB NOT NULL,
    digest TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX outbox_about ON outbox (about_key);

CREATE TABLE deliveries (
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    sequence INTEGER NOT NULL,
    outbox_id INTEGER NOT NULL REFERENCES outbox (id),
    object_key BLOB NOT NULL,
    lane INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT NOT NULL DEFAULT '',  -- a reason of federation.troubles: why it is parked, or why it was put off
    tries INTEGER NOT NULL DEFAULT 0,  -- how often this one was put off while others went on
    next_try INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    PRIMARY KEY (sibling_id, sequence)
);
CREATE INDEX deliveries_pending ON deliveries (sibling_id, tries, lane, sequence) WHERE state = 'pending';
CREATE INDEX deliveries_by_object ON deliveries (object_key, sibling_id, state, sequence);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
);
