-- Signing in: sessions that say where they are, second factors, devices that are known. Times are milliseconds.

-- Everybody signs in once more. `device` is a browser and a system out of fixed sets, `network` the coarse network it came from;
-- `seen_at` is the last step of a person, to the minute, `proved_at` when she last showed that it is she.
DROP TABLE sessions;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    device TEXT NOT NULL,
    network TEXT NOT NULL,
    proof TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    proved_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX sessions_of ON sessions (account_id, id);

-- Whose password was right and whose second factor is still to come.
CREATE TABLE half_sessions (
    token_hash BLOB PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    tries INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL
);

-- The key of an app that shows codes, sealed; `confirmed_at` NULL: it was shown, and no code has come yet. `last_step` is the step
-- of time whose code was used last: none counts twice.
CREATE TABLE code_keys (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id),
    secret BLOB NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL DEFAULT 0
);

-- What opens the door when app and passkeys are lost: a keyed hash each, gone once used.
CREATE TABLE recovery_codes (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    code_hash BLOB NOT NULL,
    PRIMARY KEY (account_id, code_hash)
);

CREATE TABLE passkeys (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    credential_id BLOB NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    sign_count INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
);
CREATE INDEX passkeys_of ON passkeys (account_id, id);

-- Challenges that were answered, until they would not count any more: an answer counts once.
CREATE TABLE answered_challenges (
    digest BLOB PRIMARY KEY,
    expires_at INTEGER NOT NULL
);

-- Browsers somebody has signed in with before; the cookie in them is known by its digest.
CREATE TABLE known_devices (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    token_hash BLOB NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, token_hash)
);

-- What happened to how somebody signs in, for her own eyes: a word out of a fixed set, with device and coarse network.
CREATE TABLE sign_in_events (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    what TEXT NOT NULL,
    device TEXT NOT NULL,
    network TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX sign_in_events_of ON sign_in_events (account_id, id);

-- Who asked for a new password: what was typed, sealed, until the worker has looked it up. The page that takes it does not.
CREATE TABLE reset_requests (
    id INTEGER PRIMARY KEY,
    asked BLOB NOT NULL
);
