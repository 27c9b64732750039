-- Polls that keep their votes at home: what each instance counts for itself, and what comes of it. Times are milliseconds.

-- `tallies` are the instance actors (JSON) that send a tally of their doctors' votes instead of the votes, as the poll's Create
-- said. Of a poll of ours that has closed and has no result yet, `counts_until` is when its result is made at the latest.
ALTER TABLE polls ADD COLUMN tallies TEXT NOT NULL DEFAULT '';
ALTER TABLE polls ADD COLUMN counts_until INTEGER;
CREATE INDEX polls_counting ON polls (counts_until) WHERE counts_until IS NOT NULL;

-- How the votes of a sibling's doctors in a poll of ours come, fixed when it was published: tally or votes.
CREATE TABLE poll_modes (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    mode TEXT NOT NULL,
    PRIMARY KEY (post_id, sibling_id)
);

-- The latest tally of each sibling in a poll of ours, as it was signed; what it counts per option; and by specialty (JSON).
CREATE TABLE tallies (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    final INTEGER NOT NULL,
    voters INTEGER NOT NULL,
    specialties TEXT NOT NULL,
    document TEXT NOT NULL,
    digest TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (post_id, sibling_id)
);
CREATE TABLE tally_counts (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    position INTEGER NOT NULL,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    votes INTEGER NOT NULL,
    PRIMARY KEY (post_id, position, sibling_id)
);
CREATE INDEX tallies_of ON tallies (sibling_id, post_id);

-- Polls of siblings whose votes stay here: what each is called in the address of its tally, the number of the last tally that was sent and its digest, since when it is out of date
-- (NULL: it is not), when the final one was sent, and which cells by specialty were told (JSON) at how many voters.
CREATE TABLE kept_polls (
    post_id INTEGER PRIMARY KEY REFERENCES polls (post_id),
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '',
    stale_since INTEGER,
    final_at INTEGER,
    shown TEXT NOT NULL DEFAULT '{}',
    shown_voters INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX kept_polls_stale ON kept_polls (stale_since) WHERE stale_since IS NOT NULL;
CREATE INDEX kept_polls_open ON kept_polls (post_id) WHERE final_at IS NULL;

-- What the author of a poll of ours may see of it by country and by specialty (JSON), and at how many voters that was taken.
CREATE TABLE poll_snapshots (
    post_id INTEGER PRIMARY KEY REFERENCES polls (post_id),
    at INTEGER NOT NULL,
    voters INTEGER NOT NULL,
    countries TEXT NOT NULL,
    specialties TEXT NOT NULL
);

-- Results, as their instance signed them. `missing` is how many instances are not, or not wholly, in it.
CREATE TABLE poll_results (
    post_id INTEGER PRIMARY KEY REFERENCES polls (post_id),
    document TEXT NOT NULL,
    digest TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    missing INTEGER NOT NULL
);
CREATE TRIGGER poll_results_stand BEFORE UPDATE ON poll_results BEGIN SELECT RAISE(ABORT, 'a result stands'); END;

-- What siblings said when they were asked to attest what was counted of theirs: one row each per time it was asked.
CREATE TABLE poll_checks (
    post_id INTEGER NOT NULL REFERENCES polls (post_id),
    at INTEGER NOT NULL,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    outcome TEXT NOT NULL,
    counted TEXT NOT NULL,
    attested TEXT NOT NULL,
    PRIMARY KEY (post_id, at, sibling_id)
);
