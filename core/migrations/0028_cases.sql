-- What a post holds beside its text (`posts.parts.Parts`, JSON), and the addresses of the answers to a case that its author has marked
-- as helpful (JSON); empty where there is nothing.
ALTER TABLE posts ADD COLUMN parts TEXT NOT NULL DEFAULT '';
ALTER TABLE posts ADD COLUMN helpful TEXT NOT NULL DEFAULT '';
-- The history shows what was changed in these too; before, it knew the text alone.
ALTER TABLE revisions ADD COLUMN parts TEXT NOT NULL DEFAULT '';
ALTER TABLE revisions ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';
