-- Whom a doctor follows, without a step into the table for each: home asks for it with every page.
CREATE INDEX follows_accepted ON follows (follower_id, followed_id) WHERE state = 'accepted';
