-- People find each other: what a doctor says about herself, the directory, and lists of who follows whom.

ALTER TABLE actors ADD COLUMN about TEXT NOT NULL DEFAULT '';
-- Whether other countries' doctors find her in their directory: her own choice, said in her Person document.
ALTER TABLE actors ADD COLUMN discoverable INTEGER NOT NULL DEFAULT 0;
-- The name without case, accents and titles. Empty where it has not been made yet: the next start does that (actors.store).
ALTER TABLE actors ADD COLUMN sort_name TEXT NOT NULL DEFAULT '';
CREATE INDEX actors_unsorted ON actors (id) WHERE sort_name = '';
CREATE INDEX actors_by_name ON actors (country, sort_name, id);

CREATE TABLE actor_specialties (
    specialty TEXT NOT NULL,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    PRIMARY KEY (specialty, actor_id)
) WITHOUT ROWID;
CREATE INDEX actor_specialties_actor ON actor_specialties (actor_id);
-- Whoever lies here already. A new database has nobody to carry over.
INSERT INTO actor_specialties (specialty, actor_id)
    SELECT DISTINCT named.value, actors.id FROM actors, json_each(actors.specialties) AS named;

CREATE INDEX follows_forth ON follows (follower_id, at, followed_id);
CREATE INDEX shuns_newest ON shuns (actor_id, kind, at, other_id);
