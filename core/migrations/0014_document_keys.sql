-- What a sibling signs documents with (Ed25519, a Multikey) and where it takes bundles; both empty while nothing is known of it.
ALTER TABLE siblings ADD COLUMN document_key TEXT NOT NULL DEFAULT '';
ALTER TABLE siblings ADD COLUMN bundle_inbox TEXT NOT NULL DEFAULT '';
