-- What hangs on a sibling, what it was handed, and how the two let go of each other.

-- Counted before a sibling is paused or revoked, and gone through when it orders us to erase what is its own.
CREATE INDEX actors_elsewhere ON actors (sibling_id, id) WHERE sibling_id IS NOT NULL AND gone_at IS NULL;
CREATE INDEX posts_elsewhere ON posts (sibling_id, id) WHERE sibling_id IS NOT NULL AND erased_at IS NULL;

-- `tried_at` is when something was last on the wire without an acknowledgement: it may have arrived.
ALTER TABLE deliveries ADD COLUMN tried_at INTEGER;
CREATE INDEX deliveries_acked ON deliveries (sibling_id, settled_at, sequence) WHERE state = 'acked';
CREATE INDEX deliveries_tried ON deliveries (sibling_id, tried_at, sequence) WHERE tried_at IS NOT NULL AND state <> 'acked';

-- What siblings have read here by signed GET, counted per hour and target (its URI); never what stood in it.
CREATE TABLE disclosures (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    kind TEXT NOT NULL,
    target TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    UNIQUE (sibling_id, bucket, kind, target)
);
CREATE INDEX disclosures_newest ON disclosures (sibling_id, last_at, id);

-- What we asked of a sibling when it was revoked: to erase what it holds of ours. `outcome` is empty while it is not known, else
-- `received` or a reason of federation.troubles.
CREATE TABLE erasure_orders (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    uri TEXT NOT NULL,
    by TEXT NOT NULL,
    ordered_at INTEGER NOT NULL,
    settled_at INTEGER,
    outcome TEXT NOT NULL DEFAULT ''
);
CREATE INDEX erasure_orders_newest ON erasure_orders (sibling_id, id);

-- What a sibling ordered us to erase: everything of its own. `stage` and `cursor` say how far that has come.
CREATE TABLE ordered_erasures (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    ordered_at INTEGER NOT NULL,
    stage TEXT NOT NULL,
    cursor TEXT NOT NULL DEFAULT '',
    posts INTEGER NOT NULL DEFAULT 0,
    people INTEGER NOT NULL DEFAULT 0,
    begun_at INTEGER,
    done_at INTEGER
);
CREATE INDEX ordered_erasures_newest ON ordered_erasures (sibling_id, id);
CREATE INDEX ordered_erasures_due ON ordered_erasures (id) WHERE done_at IS NULL;
