-- Apps that doctors read and write with (RFC 6749). Every secret is here as its digest (SHA-256) alone.

-- An app as it has introduced itself: anybody can, so it grants nothing. `redirects` is a JSON list, `scopes` are separated by blanks.
CREATE TABLE apps (
    id INTEGER PRIMARY KEY,
    client_id TEXT NOT NULL UNIQUE,
    secret_hash BLOB NOT NULL,
    name TEXT NOT NULL,
    website TEXT NOT NULL DEFAULT '',
    redirects TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX apps_created ON apps (created_at);

-- A doctor has let an app in; it turns this into a token once. `challenge` is that of RFC 7636 (S256), empty where the app will show
-- its secret instead. A code that was used stays for a while, so that a second use is noticed.
CREATE TABLE app_codes (
    code_hash BLOB PRIMARY KEY,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    redirect TEXT NOT NULL,
    scopes TEXT NOT NULL,
    challenge TEXT NOT NULL DEFAULT '',
    expires_at INTEGER NOT NULL,
    used_at INTEGER
);
CREATE INDEX app_codes_account ON app_codes (account_id);
CREATE INDEX app_codes_app ON app_codes (app_id);
CREATE INDEX app_codes_expires ON app_codes (expires_at);

-- What an app shows with every request. `account_id` NULL: it speaks for nobody. `code_hash` is the code it was made with.
CREATE TABLE app_tokens (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    app_id INTEGER NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    account_id INTEGER REFERENCES accounts (id),
    scopes TEXT NOT NULL,
    code_hash BLOB,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
CREATE INDEX app_tokens_account ON app_tokens (account_id, app_id);
CREATE INDEX app_tokens_app ON app_tokens (app_id);
CREATE INDEX app_tokens_code ON app_tokens (code_hash);
CREATE INDEX app_tokens_seen ON app_tokens (seen_at);

-- Where somebody was in a list of her apps, so that the next one goes on there. `last_read` is an entry of it; no text stands here.
CREATE TABLE markers (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    list TEXT NOT NULL,
    last_read TEXT NOT NULL,
    version INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, list)
);
