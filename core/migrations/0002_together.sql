-- People together: who follows whom, what they like, pass on and keep, topics, and consults between named doctors.

-- `reach` may be 'named' from here on: `readers` then lists the URIs of everybody in the consult, its author among them.
ALTER TABLE posts ADD COLUMN readers TEXT NOT NULL DEFAULT '[]';
ALTER TABLE posts ADD COLUMN tags TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN likes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN boosts INTEGER NOT NULL DEFAULT 0;
-- The post at home that this one asks about abroad; it never leaves this instance.
ALTER TABLE posts ADD COLUMN asked_from INTEGER REFERENCES posts (id);
CREATE INDEX posts_asked_from ON posts (asked_from) WHERE asked_from IS NOT NULL;

-- Lists hold what an audience of countries may read; a consult between named doctors is in none of them.
DROP INDEX posts_top;
DROP INDEX posts_by_country;
DROP INDEX posts_waiting;
CREATE INDEX posts_top ON posts (id) WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named';
CREATE INDEX posts_by_country ON posts (country, id) WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named';
CREATE INDEX posts_waiting ON posts (id)
    WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named' AND state = 'open' AND replies = 0;
CREATE INDEX posts_top_by_author ON posts (author_id, id) WHERE parent_id IS NULL AND erased_at IS NULL AND reach <> 'named';

-- One row per consult and doctor of this instance in it; `newest` is the id of its latest post.
CREATE TABLE consults (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    root_id INTEGER NOT NULL REFERENCES posts (id),
    newest INTEGER NOT NULL,
    PRIMARY KEY (actor_id, root_id)
);
CREATE INDEX consults_newest ON consults (actor_id, newest);
CREATE INDEX consults_root ON consults (root_id);

-- A topic is a specialty's code or a hashtag with its '#'. Only top-level posts stand here, and only what lists may hold.
CREATE TABLE topic_posts (
    topic TEXT NOT NULL,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    PRIMARY KEY (topic, post_id)
) WITHOUT ROWID;
CREATE INDEX topic_posts_post ON topic_posts (post_id);
CREATE TABLE topic_follows (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    topic TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, topic)
);
-- What lies here already. A new database has nothing to carry over.
INSERT INTO topic_posts (topic, post_id)
    SELECT DISTINCT named.value, posts.id FROM posts, json_each(posts.facts, '$.specialties') AS named
    WHERE posts.parent_id IS NULL AND posts.erased_at IS NULL;
INSERT INTO topic_follows (actor_id, topic, at)
    SELECT DISTINCT actors.id, named.value, actors.fetched_at FROM actors, json_each(actors.specialties) AS named
    WHERE actors.sibling_id IS NULL;

-- state: requested or accepted. `uri` is the id of the Follow.
CREATE TABLE follows (
    follower_id INTEGER NOT NULL REFERENCES actors (id),
    followed_id INTEGER NOT NULL REFERENCES actors (id),
    state TEXT NOT NULL,
    uri TEXT NOT NULL,
    uri_key BLOB NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    PRIMARY KEY (follower_id, followed_id)
);
CREATE INDEX follows_back ON follows (followed_id, state, at, follower_id);

-- Whom a doctor of this instance does not want to read: kind is block or mute; a mute may end.
CREATE TABLE shuns (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    other_id INTEGER NOT NULL REFERENCES actors (id),
    kind TEXT NOT NULL,
    until INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, other_id)
);

CREATE TABLE likes (
    post_id INTEGER NOT NULL REFERENCES posts (id),
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    uri TEXT NOT NULL,
    uri_key BLOB NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    PRIMARY KEY (post_id, actor_id)
);
CREATE TABLE boosts (
    id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    uri TEXT NOT NULL,
    uri_key BLOB NOT NULL UNIQUE,
    at INTEGER NOT NULL
);
CREATE UNIQUE INDEX boosts_once ON boosts (post_id, actor_id);
CREATE INDEX boosts_by_actor ON boosts (actor_id, id);
CREATE TABLE bookmarks (
    id INTEGER PRIMARY KEY,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id)
);
CREATE UNIQUE INDEX bookmarks_once ON bookmarks (actor_id, post_id);
CREATE INDEX bookmarks_newest ON bookmarks (actor_id, id);
