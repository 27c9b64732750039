-- What an answer is, who follows a case, and corrections. Times are milliseconds.

-- `reply_kind` of an answer is question or evidence, else empty. Of what began a conversation: `answers` counts those of others that
-- are answers (no questions back, nothing recalled), and `asked_back` is the oldest question to its author that she has not
-- written since. `correction` is JSON (posts.models.Correction) or empty; `recalled` says that it is a recall.
ALTER TABLE posts ADD COLUMN reply_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN asked_back INTEGER;
ALTER TABLE posts ADD COLUMN correction TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN recalled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revisions ADD COLUMN correction TEXT NOT NULL DEFAULT '';
UPDATE posts SET answers = (SELECT count(*) FROM posts r WHERE r.root_id = posts.id AND r.parent_id IS NOT NULL
    AND r.erased_at IS NULL AND r.author_id <> posts.author_id) WHERE parent_id IS NULL;
DROP INDEX posts_waiting;
CREATE INDEX posts_waiting ON posts (id)
    WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named' AND hidden_at IS NULL AND state = 'open' AND answers = 0;

-- Who wants to be told how a conversation goes on; `id` grows with time.
CREATE TABLE case_follows (
    id INTEGER PRIMARY KEY,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id),
    UNIQUE (actor_id, post_id)
);
CREATE INDEX case_follows_newest ON case_follows (actor_id, id);
CREATE INDEX case_follows_post ON case_follows (post_id);
