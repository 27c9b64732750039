-- Changing keys: what siblings say to ours, and how far our operators are with theirs. Times are milliseconds.

-- What a sibling's operators have said to a key we announced: confirmed or refused.
CREATE TABLE key_answers (
    key_id INTEGER NOT NULL REFERENCES instance_keys (id),
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key_id, sibling_id)
);

-- What a new key of ours has signed to prove that we hold it; empty for the first one, which is never announced.
ALTER TABLE instance_keys ADD COLUMN proof TEXT NOT NULL DEFAULT '';

-- The activity that announced a sibling's key, which is what gets the answer; and which operator has compared it, while another
-- one is to do so too.
ALTER TABLE announced_keys ADD COLUMN activity TEXT NOT NULL DEFAULT '';
ALTER TABLE announced_keys ADD COLUMN compared_by TEXT NOT NULL DEFAULT '';

-- Who confirmed a sibling's second key, and when.
ALTER TABLE sibling_details ADD COLUMN next_by TEXT NOT NULL DEFAULT '';
ALTER TABLE sibling_details ADD COLUMN next_at INTEGER;
