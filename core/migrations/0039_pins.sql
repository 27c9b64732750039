-- What stands first on the page of a doctor, by her own choice: some of her questions; `id` grows with time.
CREATE TABLE pins (
    id INTEGER PRIMARY KEY,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id),
    UNIQUE (actor_id, post_id)
);
CREATE INDEX pins_post ON pins (post_id);

-- Conversations that a doctor wants to hear no more of; `id` grows with time.
CREATE TABLE case_mutes (
    id INTEGER PRIMARY KEY,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    post_id INTEGER NOT NULL REFERENCES posts (id),
    UNIQUE (actor_id, post_id)
);
CREATE INDEX case_mutes_newest ON case_mutes (actor_id, id);
CREATE INDEX case_mutes_post ON case_mutes (post_id);

-- What somebody has liked, for her own list of it.
CREATE INDEX likes_by_actor ON likes (actor_id, post_id);
