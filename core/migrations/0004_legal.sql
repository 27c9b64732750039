-- In which language somebody is spoken to; '' is what her browser asks for, else the country's first.
ALTER TABLE accounts ADD COLUMN language TEXT NOT NULL DEFAULT '';

-- What people outside tell the operators. It may hold what nobody may read: it lives no longer than it is needed.
CREATE TABLE outside_notices (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    contact TEXT NOT NULL,
    language TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    handled_at INTEGER,
    handled_by TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outside_notices_waiting ON outside_notices (id) WHERE handled_at IS NULL;
CREATE INDEX outside_notices_handled ON outside_notices (handled_at) WHERE handled_at IS NOT NULL;
