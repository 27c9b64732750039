-- Apps that are told of what happens. No text stands here.

-- That a post says something else now, is gone, hidden or shown again, and when (ms): for every process that serves open apps.
-- Kept for a day.
CREATE TABLE post_changes (
    post_id INTEGER PRIMARY KEY REFERENCES posts (id),
    at INTEGER NOT NULL
);
CREATE INDEX post_changes_at ON post_changes (at);

-- Where the app behind a token is told that there is something (RFC 8030), for as long as that holds. `kinds` are those it wants to
-- hear of, separated by blanks, `policy` of whose doing. `told` is the newest event it has been told of. `sealed_token` is the
-- token itself, which its messages name, under the key file; `endpoint` is a secret of the push service.
CREATE TABLE app_subscriptions (
    token_id INTEGER PRIMARY KEY REFERENCES app_tokens (id) ON DELETE CASCADE,
    endpoint TEXT NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    secret BLOB NOT NULL,
    standard INTEGER NOT NULL,
    kinds TEXT NOT NULL,
    policy TEXT NOT NULL,
    sealed_token BLOB NOT NULL,
    told INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX app_subscriptions_next ON app_subscriptions (next_try);
