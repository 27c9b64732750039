-- What has been taken back and does not stand in the erasure journal yet, a file outside the database (core.journal). `what` is
-- erased, for the post called `name`, or the state in which the sibling at the origin `name`, or the account of this handle, is.
CREATE TABLE journal_due (
    name_key BLOB PRIMARY KEY,
    what TEXT NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL
);
INSERT INTO journal_due (name_key, what, name, at) SELECT uri_key, 'erased', uri, at FROM tombstones;

-- One row: the journal this database belongs to ('' until there is one), up to which byte of it everything is done here, and
-- when this database came out of a backup, until what that asks for is done too.
CREATE TABLE journal (
    name TEXT NOT NULL,
    read_to INTEGER NOT NULL,
    restored_at INTEGER
);
INSERT INTO journal (name, read_to) VALUES ('', 0);
