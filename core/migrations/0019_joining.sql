-- Joining: who applies, with which documents, what was decided and by whom. Times are milliseconds.

-- An application is no account: nothing of it can sign in. `kind` is joining or renewal (then `account_id` is whose badge is to be
-- renewed; of one that was accepted, whose account came of it). `register` names an identifier of the country pack, `number_key` is a
-- keyed hash of the number as it is compared, kept when the rest is gone. `answers` and `consents` are JSON; `touched_at` is the
-- applicant's last step.
CREATE TABLE applications (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    account_id INTEGER REFERENCES accounts (id),
    token_hash BLOB UNIQUE,
    language TEXT NOT NULL,
    address TEXT NOT NULL,
    confirmed_at INTEGER,
    name TEXT NOT NULL DEFAULT '',
    birth_name TEXT NOT NULL DEFAULT '',
    role TEXT NOT NULL DEFAULT '',
    specialties TEXT NOT NULL DEFAULT '[]',
    register TEXT NOT NULL DEFAULT '',
    chamber TEXT NOT NULL DEFAULT '',
    number TEXT NOT NULL DEFAULT '',
    number_key BLOB,
    answers TEXT NOT NULL DEFAULT '{}',
    consents TEXT NOT NULL DEFAULT '{}',
    invitation_id INTEGER,
    appeal TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    touched_at INTEGER NOT NULL,
    submitted_at INTEGER,
    decided_at INTEGER
);
CREATE INDEX applications_waiting ON applications (submitted_at, id) WHERE state = 'submitted';
CREATE INDEX applications_touched ON applications (state, touched_at);
CREATE INDEX applications_number ON applications (number_key) WHERE number_key IS NOT NULL;
CREATE INDEX applications_account ON applications (account_id) WHERE account_id IS NOT NULL;

-- What an applicant has handed in: its pages lie encrypted outside the database. `digest` is a keyed hash of what was uploaded.
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    application_id INTEGER NOT NULL REFERENCES applications (id),
    kind TEXT NOT NULL,
    media_type TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    pages INTEGER NOT NULL,
    digest BLOB NOT NULL,
    uploaded_at INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE INDEX documents_of ON documents (application_id, id);
CREATE INDEX documents_digest ON documents (digest);

-- Every decision about somebody, for good: `what` is a step of an application or of an account, `register_text` what stood in the
-- register, word for word. `proposed_by` is the first of two operators, where two decide.
CREATE TABLE verifications (
    id INTEGER PRIMARY KEY,
    account_id INTEGER REFERENCES accounts (id),
    application_id INTEGER REFERENCES applications (id),
    what TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT '',
    method TEXT NOT NULL DEFAULT '',
    evidence TEXT NOT NULL DEFAULT '',
    register_text TEXT NOT NULL DEFAULT '',
    number_key BLOB,
    until INTEGER,
    reason TEXT NOT NULL DEFAULT '',
    proposed_by TEXT NOT NULL DEFAULT '',
    by TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX verifications_account ON verifications (account_id, id);
CREATE INDEX verifications_application ON verifications (application_id, id);
CREATE INDEX verifications_number ON verifications (number_key) WHERE number_key IS NOT NULL;
INSERT INTO verifications (id, account_id, what, method, evidence, by, at)
    SELECT id, id, 'verified', method, evidence, '', created_at FROM accounts WHERE method <> '';

-- A verified doctor invites somebody: a hint for whoever decides, never a proof.
CREATE TABLE invitations (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX invitations_of ON invitations (account_id, id);

-- Links to an account, sent by mail: `purpose` is welcome (the first password) or reset. Each works once.
CREATE TABLE account_links (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    purpose TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX account_links_of ON account_links (account_id);

-- An operator who is a doctor of this instance too: nobody decides about whom she has invited, or about herself.
ALTER TABLE accounts ADD COLUMN doctor_id INTEGER REFERENCES accounts (id);

-- How somebody was verified stands in her badge: register, diploma, card, electronic or other; empty for older ones.
ALTER TABLE actors ADD COLUMN verified_how TEXT NOT NULL DEFAULT '';

-- Mail goes to accounts and to applicants. `facts` is JSON of what it says beside its kind: numbers and kinds, never words.
ALTER TABLE mails RENAME TO mails_before;
CREATE TABLE mails (
    id INTEGER PRIMARY KEY,
    account_id INTEGER REFERENCES accounts (id),
    application_id INTEGER REFERENCES applications (id),
    kind TEXT NOT NULL,
    about_id INTEGER NOT NULL,
    facts TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER
);
INSERT INTO mails (id, account_id, kind, about_id, facts, created_at, state, reason, tries, next_try, settled_at)
    SELECT id, account_id, kind, about_id, CASE counts WHEN '' THEN '{}' ELSE counts END, created_at, state, reason, tries, next_try,
    settled_at FROM mails_before;
DROP TABLE mails_before;
CREATE INDEX mails_due ON mails (next_try) WHERE state = 'pending';
CREATE INDEX mails_account ON mails (account_id, id);
CREATE INDEX mails_application ON mails (application_id, id) WHERE application_id IS NOT NULL;
