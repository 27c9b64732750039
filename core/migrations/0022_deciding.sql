-- Deciding about applications, and what becomes of a badge. Times are milliseconds.

-- What an applicant was asked for: codes of a fixed set (JSON) and a sentence of the operator's own, shown on her page.
CREATE TABLE application_requests (
    id INTEGER PRIMARY KEY,
    application_id INTEGER NOT NULL REFERENCES applications (id),
    wanted TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    by TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX application_requests_of ON application_requests (application_id, id);

-- Where two operators decide: what the first one proposes (JSON), until a second one confirms or refuses it.
CREATE TABLE application_proposals (
    application_id INTEGER PRIMARY KEY REFERENCES applications (id),
    decision TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX applications_decided ON applications (decided_at, id) WHERE decided_at IS NOT NULL;
CREATE INDEX verifications_at ON verifications (at, id);

-- Which notices of the end of a badge were given: `days` before, 0 when it has ended.
CREATE TABLE verification_notices (
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    until INTEGER NOT NULL,
    days INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account_id, until, days)
);

-- Doctors, here or elsewhere, whose badge holds no more or holds again, and whose votes have not been looked at since; and up to
-- which moment it has been looked for badges that ran out by themselves.
CREATE TABLE badge_changes (
    actor_id INTEGER PRIMARY KEY REFERENCES actors (id)
);
CREATE TABLE badge_watch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    at INTEGER NOT NULL
);
CREATE INDEX actors_until ON actors (verified_until) WHERE verified_until IS NOT NULL;
CREATE INDEX votes_voter ON votes (voter_id, post_id);

-- How many whose votes are counted in a poll are no longer verified: of a poll of ours the sum of what is known here and what
-- each sibling has said of its own doctors; of a sibling's poll what its author's instance says. In `kept_polls` what we have said
-- to the author's instance and when, -1: it is to be said anew. `lapsed_told` is what the audience knows.
ALTER TABLE polls ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE polls ADD COLUMN lapsed_told INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept_polls ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE kept_polls ADD COLUMN lapsed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX kept_polls_untold ON kept_polls (post_id) WHERE lapsed < 0;
CREATE TABLE poll_lapses (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    lapsed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (post_id, sibling_id)
);

-- Badges from before say how, as far as that was written down.
UPDATE actors SET verified_how = (SELECT CASE WHEN lower(a.method) IN ('register', 'diploma', 'card', 'electronic') THEN lower(a.method)
    ELSE 'other' END FROM accounts a WHERE a.actor_id = actors.id)
    WHERE verified_on > 0 AND EXISTS (SELECT 1 FROM accounts a WHERE a.actor_id = actors.id AND a.method <> '');
