-- Translations that a colleague has confirmed are part of a post (JSON of `posts.translated.Translation`); empty where there are none.
ALTER TABLE posts ADD COLUMN translations TEXT NOT NULL DEFAULT '';
CREATE INDEX posts_translated ON posts (id) WHERE translations <> '';
-- What a machine has made of a post here, one for everybody who reads it in a language. `digest` stands for the text it was made of,
-- `made_by` is what people call the machine, `offered_by` the doctor whose word is on its way to the post's own instance.
CREATE TABLE machine_translations (
    id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    language TEXT NOT NULL,
    digest TEXT NOT NULL,
    said TEXT NOT NULL,
    made_by TEXT NOT NULL,
    at INTEGER NOT NULL,
    offered_by INTEGER REFERENCES actors (id),
    UNIQUE (post_id, language)
);
CREATE INDEX machine_translations_offered ON machine_translations (offered_by) WHERE offered_by IS NOT NULL;
-- What doctors of siblings have confirmed of posts of ours, until the worker has made it part of the post.
CREATE TABLE offered_translations (
    id INTEGER PRIMARY KEY,
    post_id INTEGER NOT NULL REFERENCES posts (id),
    by_id INTEGER NOT NULL REFERENCES actors (id),
    digest TEXT NOT NULL,
    said TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX offered_translations_of ON offered_translations (post_id);
CREATE INDEX offered_translations_by ON offered_translations (by_id);
