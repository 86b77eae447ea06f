-- Apps with a sign-in of their own, and the listener for their servers.

CREATE TABLE api_credentials (
    secret_hash BLOB    NOT NULL PRIMARY KEY,       -- SHA-256 of the secret's 32 bytes
    id          TEXT    NOT NULL UNIQUE,
    scope       TEXT    NOT NULL CHECK (scope IN ('admin', 'feed')),
    name        TEXT    NOT NULL,                   -- for people
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A ticket that was used is gone.
CREATE TABLE tickets (
    secret_hash BLOB    NOT NULL PRIMARY KEY,       -- SHA-256 of the ticket's 32 bytes
    user_id     TEXT    NOT NULL,                   -- what the app calls its user
    roles       TEXT    NOT NULL,
    permissions TEXT    NOT NULL,
    claims      TEXT    NOT NULL,                   -- the app's own claims
    expires_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tickets_of_user ON tickets (user_id);
CREATE INDEX tickets_by_end ON tickets (expires_at);

-- The user of a session that a ticket opened need not be in `users`, and has claims in the session: SQLite cannot
-- drop a reference, so the table is made anew.
CREATE TABLE new_sessions (
    secret_hash    BLOB    NOT NULL PRIMARY KEY,    -- SHA-256 of the cookie's 32 bytes
    id             TEXT    NOT NULL UNIQUE,
    user_id        TEXT    NOT NULL,                -- of `users`, or what the app calls its user
    created_at     INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,                -- the absolute lifetime's end
    ended_at       INTEGER,                         -- when it was revoked, signed out or replaced
    user_agent     TEXT,
    roles          TEXT,                            -- these three: as in `users` where they are null
    permissions    TEXT,
    claims         TEXT
) STRICT, WITHOUT ROWID;

INSERT INTO new_sessions
    SELECT secret_hash, id, user_id, created_at, last_active_at, expires_at, ended_at, user_agent, NULL, NULL, NULL
    FROM sessions;
DROP TABLE sessions;
ALTER TABLE new_sessions RENAME TO sessions;

CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- The revocation feed reads the latest of these ten times a second.
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
