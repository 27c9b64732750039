-- What concerns a doctor of this instance, and the mail that tells her how much of it there is. No text of a post stands here.

-- While a doctor has not read it, what is of one kind and about one post gathers in one row; `about_id` and `root_id` (the
-- conversation) are 0 where it is about no post, `named` is 1 in a consult. `newest` is the id of its latest event.
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY,
    actor_id INTEGER NOT NULL REFERENCES actors (id),
    kind TEXT NOT NULL,
    about_id INTEGER NOT NULL,
    root_id INTEGER NOT NULL,
    named INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    read_at INTEGER
);
CREATE UNIQUE INDEX notifications_open ON notifications (actor_id, kind, about_id) WHERE read_at IS NULL;
CREATE INDEX notifications_newest ON notifications (actor_id, newest);
CREATE INDEX notifications_unread ON notifications (actor_id, newest) WHERE read_at IS NULL;
CREATE INDEX notifications_thread ON notifications (actor_id, root_id) WHERE read_at IS NULL;

-- One row per deed: by whom (NULL: a poll closed by itself), the post it leads to and, of an edit, the revision it made.
CREATE TABLE notification_events (
    id INTEGER PRIMARY KEY,
    notification_id INTEGER NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    by_id INTEGER REFERENCES actors (id),
    post_id INTEGER REFERENCES posts (id),
    revision INTEGER,
    at INTEGER NOT NULL
);
CREATE INDEX notification_events_group ON notification_events (notification_id, by_id, id);
CREATE INDEX notification_events_post ON notification_events (post_id) WHERE post_id IS NOT NULL;

-- Where a doctor wants to be told by mail, and how often: rhythm is none, daily or weekly. `address` is confirmed, or empty.
-- `due` is when the next digest is made (NULL: never), `told` the newest event that one has said something of.
CREATE TABLE mailboxes (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id),
    address TEXT NOT NULL DEFAULT '',
    rhythm TEXT NOT NULL DEFAULT 'none',
    due INTEGER,
    told INTEGER NOT NULL DEFAULT 0,
    stop_hash BLOB UNIQUE
);
CREATE INDEX mailboxes_due ON mailboxes (due) WHERE due IS NOT NULL;

-- An address that counts once somebody has opened the link that was sent to it; one per account.
CREATE TABLE mail_confirmations (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL UNIQUE REFERENCES accounts (id),
    address TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    expires_at INTEGER NOT NULL
);

-- Mail on its way. kind is confirmation or digest, `about_id` a confirmation's id or the newest event of a digest, `counts`
-- JSON of how much there is of each kind. state: pending, sent, parked (given up) or dropped (not wanted any more).
CREATE TABLE mails (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    kind TEXT NOT NULL,
    about_id INTEGER NOT NULL,
    counts TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    reason TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER
);
CREATE INDEX mails_due ON mails (next_try) WHERE state = 'pending';
CREATE INDEX mails_account ON mails (account_id, id);
