-- How much of one sibling waits is asked with everything of it that has to wait.
CREATE INDEX held_by_sibling ON held (sibling_id, state);
