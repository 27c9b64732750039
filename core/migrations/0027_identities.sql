-- Identities that somebody has proven at a provider which the settings name (OpenID Connect). Times are milliseconds. Who she is
-- there is kept as a keyed hash only.

-- A way to the provider that has been begun: `purpose` is login, link (an account's own) or application. It works once.
CREATE TABLE identity_flows (
    id INTEGER PRIMARY KEY,
    state_hash BLOB NOT NULL UNIQUE,
    purpose TEXT NOT NULL,
    account_id INTEGER REFERENCES accounts (id),
    application_id INTEGER REFERENCES applications (id),
    onward TEXT NOT NULL DEFAULT '',
    expires_at INTEGER NOT NULL
);
CREATE INDEX identity_flows_expired ON identity_flows (expires_at);

-- Whose account an identity signs in to.
CREATE TABLE identities (
    subject_key BLOB PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    issuer TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    used_at INTEGER
);
CREATE INDEX identities_of ON identities (account_id);

-- What the provider has said about an applicant: for whoever decides.
CREATE TABLE identity_proofs (
    application_id INTEGER PRIMARY KEY REFERENCES applications (id),
    subject_key BLOB NOT NULL,
    issuer TEXT NOT NULL,
    name TEXT NOT NULL,
    number TEXT NOT NULL,
    profession TEXT NOT NULL,
    level TEXT NOT NULL,
    at INTEGER NOT NULL
);
