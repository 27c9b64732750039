-- Pictures on posts, and what a post that leaves the country rests on. Times are milliseconds.

-- What is seen of a post's pictures, in their order: where they lie, what they show, their size and digest. JSON, '' for none.
ALTER TABLE posts ADD COLUMN pictures TEXT NOT NULL DEFAULT '';

-- The pictures that lie here: two files each, called `name`, sealed with the picture's own key, which is sealed here with the key
-- file. While a picture is in work it belongs to the form that writes a draft (`what`, `about`) of the doctor `actor_id`; once that
-- is sent, to the post `post_id`, and whoever has handed it in is not known any more. `width` 0: its files are being written.
-- `gone_at`: nothing opens it any more, and its files are to be removed.
CREATE TABLE pictures (
    name TEXT PRIMARY KEY,
    actor_id INTEGER REFERENCES actors (id),
    what TEXT NOT NULL DEFAULT '',
    about INTEGER NOT NULL DEFAULT 0,
    post_id INTEGER REFERENCES posts (id),
    place INTEGER NOT NULL,
    alt TEXT NOT NULL DEFAULT '',
    sort TEXT NOT NULL DEFAULT '',
    warning TEXT NOT NULL DEFAULT '',
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '',
    sealed_key BLOB,
    seen_at INTEGER,
    touched_at INTEGER NOT NULL,
    gone_at INTEGER
);
CREATE INDEX pictures_in_work ON pictures (actor_id, what, about) WHERE post_id IS NULL AND gone_at IS NULL;
CREATE INDEX pictures_of ON pictures (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX pictures_idle ON pictures (touched_at) WHERE post_id IS NULL AND gone_at IS NULL;
CREATE INDEX pictures_gone ON pictures (gone_at) WHERE gone_at IS NOT NULL;

-- On what it rests that a post about a patient has left the country. `sorts` are kinds of pictures, `countries` codes, both JSON;
-- `actor_id` is who signs it. `withdrawn_at`: the patient has taken the consent back, and the post was deleted.
CREATE TABLE bases (
    post_id INTEGER PRIMARY KEY REFERENCES posts (id),
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    ground TEXT NOT NULL,
    sorts TEXT NOT NULL,
    countries TEXT NOT NULL,
    no_name INTEGER NOT NULL,
    at INTEGER NOT NULL,
    withdrawn_at INTEGER,
    withdrawn_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX bases_of ON bases (actor_id);
CREATE INDEX bases_withdrawn ON bases (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
