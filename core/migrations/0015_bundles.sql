-- Bundles and receipts. A line's numbers only grow; within an epoch they have no gap, counted from `epoch_from` (0: no bundle was
-- ever sent, or single activities since). `confirmed` is up to where the sibling has said that it has everything, `heard` its last
-- later outcome that arrived here; `hello` is 1 as long as it has to be told how far we have come with its own line.
ALTER TABLE delivery_lines ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_lines ADD COLUMN epoch_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_lines ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_lines ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_lines ADD COLUMN hello INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_skipped ON deliveries (sibling_id, sequence) WHERE state IN ('superseded', 'parked', 'dropped');
CREATE INDEX deliveries_held ON deliveries (sibling_id, sequence) WHERE state = 'held';

-- What was acknowledged is kept for some time, to be sent again.
CREATE INDEX outbox_kept ON outbox (created_at) WHERE body <> x'' AND type <> 'Delete';

-- How far a sibling's line has come here: everything up to `contiguous` has come or never will, `ahead` is JSON of the ranges that
-- came beyond it, `highest` the highest number that ever came.
CREATE TABLE arrival_lines (
    sibling_id INTEGER PRIMARY KEY REFERENCES siblings (id),
    epoch INTEGER NOT NULL,
    contiguous INTEGER NOT NULL,
    highest INTEGER NOT NULL,
    ahead TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    told INTEGER NOT NULL  -- the number of the last later outcome; after a restore it begins anew at the time
);

-- What the latest numbers stood for, a row a bundle: `items` is 16 bytes of each activity's digest, in the order of `sequences`
-- (JSON). A number that comes again with another activity shows that its sender has lost what it knew.
CREATE TABLE arrived_bundles (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    sequences TEXT NOT NULL,
    items BLOB NOT NULL
);
CREATE INDEX arrived_bundles_numbers ON arrived_bundles (sibling_id, last);

-- What became of held activities that came in a bundle under a number, until the sender says that it has heard it.
ALTER TABLE held ADD COLUMN sequence INTEGER;
ALTER TABLE held ADD COLUMN activity TEXT NOT NULL DEFAULT '';
CREATE TABLE later_outcomes (
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    number INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    activity TEXT NOT NULL,
    result TEXT NOT NULL,
    reason TEXT NOT NULL,
    title TEXT NOT NULL,
    PRIMARY KEY (sibling_id, number)
);

-- Siblings' receipts, as they signed them, for the numbers from `first` to `last`.
CREATE TABLE receipts (
    id INTEGER PRIMARY KEY,
    sibling_id INTEGER NOT NULL REFERENCES siblings (id),
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX receipts_newest ON receipts (sibling_id, id);
CREATE INDEX receipts_numbers ON receipts (sibling_id, last);
CREATE INDEX receipts_old ON receipts (at);
