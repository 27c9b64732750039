-- What a doctor says about herself beside a few words: the languages she can be asked in (JSON), where she works; and her picture.
ALTER TABLE actors ADD COLUMN speaks TEXT NOT NULL DEFAULT '[]';
ALTER TABLE actors ADD COLUMN workplace TEXT NOT NULL DEFAULT '';
-- Which picture of hers lies in `portraits`; empty while there is none.
ALTER TABLE actors ADD COLUMN portrait TEXT NOT NULL DEFAULT '';

-- Pictures of doctors, drawn anew from their pixels (JPEG squares of two sizes). One of a sibling's doctor is fetched from `url`,
-- and tried again at `next_try` (ms) until it is here, or is given up; `version` is then still the old one, or empty.
CREATE TABLE portraits (
    actor_id INTEGER PRIMARY KEY REFERENCES actors (id),
    version TEXT NOT NULL DEFAULT '',
    large BLOB NOT NULL DEFAULT x'',
    small BLOB NOT NULL DEFAULT x'',
    url TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER
);
CREATE INDEX portraits_due ON portraits (next_try) WHERE next_try IS NOT NULL;
