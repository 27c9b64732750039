-- What operators know, decide and can prove. Times are milliseconds, dates `YYYY-MM-DD`.

-- The audit log becomes a chain; what was written before is taken over at the next start (core.audit).
ALTER TABLE audit RENAME TO audit_before;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE INDEX audit_about ON audit (target, seq);
CREATE TABLE audit_head (
    one INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    seal BLOB NOT NULL
);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only appended to'); END;

-- A second pinned key of a sibling, from when our operators have confirmed it until it is the only one.
ALTER TABLE siblings ADD COLUMN next_key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE siblings ADD COLUMN next_public_pem TEXT NOT NULL DEFAULT '';

-- What operators note about a sibling; apart from `siblings`, so that the gate's row stays small. `pinned_at` is when its
-- present key was proposed and by whom, `confirmed_by` who compared the fingerprint; `software` is what it says it runs.
CREATE TABLE sibling_details (
    sibling_id INTEGER PRIMARY KEY REFERENCES siblings (id),
    operator TEXT NOT NULL DEFAULT '',
    medical_contact TEXT NOT NULL DEFAULT '',
    technical_contact TEXT NOT NULL DEFAULT '',
    dpo TEXT NOT NULL DEFAULT '',
    agreement_on TEXT NOT NULL DEFAULT '',
    review_on TEXT NOT NULL DEFAULT '',
    basis TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    proposed_by TEXT NOT NULL DEFAULT '',
    confirmed_by TEXT NOT NULL DEFAULT '',
    confirmed_at INTEGER,
    pinned_at INTEGER NOT NULL,
    software TEXT NOT NULL DEFAULT '',
    seen_key TEXT NOT NULL DEFAULT '',
    seen_key_at INTEGER
);
INSERT INTO sibling_details (sibling_id, pinned_at) SELECT id, created_at FROM siblings;

-- A key that a sibling has announced under its old one, until somebody has compared its fingerprint.
CREATE TABLE announced_keys (
    sibling_id INTEGER PRIMARY KEY REFERENCES siblings (id),
    key_id TEXT NOT NULL,
    public_pem TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    announced_at INTEGER NOT NULL
);

-- What is parked, counted with every look at the list.
CREATE INDEX deliveries_parked ON deliveries (sibling_id, sequence) WHERE state = 'parked';

-- Self-tests: `lines` is JSON of what was looked at, in order.
CREATE TABLE sibling_checks (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    at INTEGER NOT NULL,
    by TEXT NOT NULL,
    passed INTEGER NOT NULL,
    lines TEXT NOT NULL
);
CREATE INDEX sibling_checks_newest ON sibling_checks (sibling_id, id);

-- Pings that were asked for in a self-test, by their nonce; answered by whichever process the sibling's ping reached.
CREATE TABLE pings (
    nonce TEXT PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    asked_at INTEGER NOT NULL,
    answered_at INTEGER
);

-- This instance's keys: state is proposed, announced, current, retired or dropped. `key_id` is the fragment behind `/actor#`.
ALTER TABLE instance_keys ADD COLUMN key_id TEXT NOT NULL DEFAULT 'main-key';
ALTER TABLE instance_keys ADD COLUMN state TEXT NOT NULL DEFAULT 'current';
ALTER TABLE instance_keys ADD COLUMN proposed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE instance_keys ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX instance_keys_current ON instance_keys (purpose) WHERE state = 'current';
