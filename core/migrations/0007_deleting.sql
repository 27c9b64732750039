-- Deleting a post takes the bookmarks of it along: without this index each deletion went through all bookmarks there are.
CREATE INDEX bookmarks_of ON bookmarks (post_id);
