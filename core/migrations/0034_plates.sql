-- What pictures in work are printed from, and what there is to be said of prints. Times are milliseconds.

-- `doubts`: why there may be writing in a picture in work, `core.plates.Reason`s with spaces between them. `film`: how the frames of
-- one that moves lie on its sheet, JSON, '' for one that does not.
ALTER TABLE pictures ADD COLUMN doubts TEXT NOT NULL DEFAULT '';
ALTER TABLE pictures ADD COLUMN film TEXT NOT NULL DEFAULT '';

-- What the picture in work `name` is printed from: a file `called` so, sealed with a key that is sealed here with the key file. The
-- row goes when the picture is sent, replaced or removed, and after some hours at the latest. `facts` is what was read from a DICOM
-- file, '' for other pictures; `ordered` how the picture was printed, `seen` what was seen on it, all JSON; `width` and `height` are those of a
-- frame before anything was cut off.
CREATE TABLE plates (
    name TEXT PRIMARY KEY,
    called TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    facts TEXT NOT NULL,
    ordered TEXT NOT NULL,
    seen TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    made_at INTEGER NOT NULL
);
CREATE INDEX plates_made ON plates (made_at);
