-- All times are milliseconds since the Unix epoch. JSON columns hold text.

CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    email         TEXT    NOT NULL UNIQUE,          -- trimmed and in lower case
    password_hash TEXT    NOT NULL,                 -- PHC string, argon2id
    credentials   INTEGER NOT NULL DEFAULT 0,       -- counts changes of the password
    roles         TEXT    NOT NULL DEFAULT '[]',
    permissions   TEXT    NOT NULL DEFAULT '[]',
    claims        TEXT    NOT NULL DEFAULT '{}',    -- the app's own claims
    created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A refresh reads one row of this table by its primary key, and the user's row by its own.
CREATE TABLE sessions (
    secret_hash    BLOB    NOT NULL PRIMARY KEY,    -- SHA-256 of the cookie's 32 bytes
    id             TEXT    NOT NULL UNIQUE,
    user_id        TEXT    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at     INTEGER NOT NULL,
    last_active_at INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,                -- the absolute lifetime's end
    ended_at       INTEGER,                         -- when it was revoked, signed out or replaced
    user_agent     TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid         TEXT    NOT NULL PRIMARY KEY,       -- RFC 7638 thumbprint
    algorithm   TEXT    NOT NULL,                   -- JWS alg
    private_key BLOB    NOT NULL,
    public_key  BLOB    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_current_key ON signing_keys (state) WHERE state = 'current';
CREATE UNIQUE INDEX one_next_key ON signing_keys (state) WHERE state = 'next';
