-- What waits, seen by people. `deletes` is 1 where the activity is a Delete, so that open deletions are found without reading what
-- else waits; a delivery is open until it is acknowledged, or another one has taken its place.
ALTER TABLE deliveries ADD COLUMN deletes INTEGER NOT NULL DEFAULT 0;
UPDATE deliveries SET deletes = 1 WHERE outbox_id IN (SELECT id FROM outbox WHERE type = 'Delete');
CREATE INDEX deliveries_deletions ON deliveries (sibling_id, state) WHERE deletes = 1 AND state <> 'acked' AND state <> 'superseded';
CREATE INDEX deliveries_deletions_newest ON deliveries (outbox_id, sibling_id)
    WHERE deletes = 1 AND state <> 'acked' AND state <> 'superseded';
CREATE INDEX deliveries_held_since ON deliveries (sibling_id, settled_at, sequence) WHERE state = 'held';
CREATE INDEX posts_erased ON posts (author_id, id) WHERE erased_at IS NOT NULL;
