-- Documents that applicants hand in. Their pages are sealed with a key of the document's own, which is sealed here with the key
-- file: a document whose key is gone cannot be read any more, wherever a copy of its pages may lie. `gone_for` says why it was
-- deleted: removed by the applicant, decided, silence, ended, or lost with a disk.
ALTER TABLE documents ADD COLUMN sealed_key BLOB;
ALTER TABLE documents ADD COLUMN gone_for TEXT NOT NULL DEFAULT '';
CREATE INDEX documents_kept ON documents (application_id) WHERE deleted_at IS NULL;
