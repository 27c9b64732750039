-- Search: which words stand in which posts, in tables of our own, so that a word that is taken back is overwritten like any other
-- row (docs/decisions/0043-search-in-tables-of-our-own.md).

-- The places posts have in the index, in the order in which they came: a block is 4096 of them. Consults between named doctors
-- have places from 2^40 on, in blocks of their own. Both ids are NULL once the post is erased; its place is never given again.
CREATE TABLE places (
    place INTEGER PRIMARY KEY,
    post_id INTEGER UNIQUE,
    author_id INTEGER
);
CREATE INDEX places_by_author ON places (author_id, place);

-- In which places of a block a word stands: `=`, the bits of the whole block in hex and a dot, then pairs of letters, one a place.
-- Coded facts are words with a colon in them, which no word of a text has.
CREATE TABLE postings (
    block INTEGER NOT NULL,
    word TEXT NOT NULL,
    posts TEXT NOT NULL,
    PRIMARY KEY (block, word)
) WITHOUT ROWID;

-- Conditions a post names, by their codes, whichever language it is in.
CREATE TABLE post_conditions (
    post_id INTEGER NOT NULL REFERENCES posts (id),
    code TEXT NOT NULL,
    PRIMARY KEY (post_id, code)
) WITHOUT ROWID;

-- Posts the index does not know yet, or not as they are now. The worker does them.
CREATE TABLE unindexed (
    post_id INTEGER PRIMARY KEY
);

-- What the words of the index were made by. Where there is nothing yet, or another release has made it, the worker begins it anew
-- with all posts.
CREATE TABLE indexed_by (
    id INTEGER PRIMARY KEY,
    version TEXT NOT NULL
);
