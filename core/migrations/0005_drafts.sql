-- What doctors have begun to write; each is its doctor's alone. `what` is new, reply or edit, `about` the id of the post that is
-- answered or edited and, of a new one, of the draft itself. `version` is a new id (core.ids) with each save: it orders them and
-- says which state a form knows; `mark` is that of the form which saved last.
CREATE TABLE drafts (
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    what TEXT NOT NULL,
    about INTEGER NOT NULL,
    title TEXT NOT NULL,
    fields TEXT NOT NULL,
    version INTEGER NOT NULL,
    mark TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (actor_id, what, about)
);
CREATE INDEX drafts_newest ON drafts (actor_id, version);
