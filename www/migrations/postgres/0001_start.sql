-- All times are milliseconds since the Unix epoch. JSON columns hold text.
--
-- Only what CockroachDB and YugabyteDB run too. Every statement may be run again: not every engine
-- undoes these when the transaction around them fails.

-- The versions that this database has been brought to. It is made first: it says whose the tables are.
CREATE TABLE IF NOT EXISTS fiftyten_schema (
    version BIGINT NOT NULL PRIMARY KEY
);

CREATE TABLE IF NOT EXISTS users (
    id            TEXT   NOT NULL,
    email         TEXT   NOT NULL,                  -- trimmed and in lower case
    password_hash TEXT   NOT NULL,                  -- PHC string, argon2id
    credentials   BIGINT NOT NULL DEFAULT 0,        -- counts changes of the password
    roles         TEXT   NOT NULL DEFAULT '[]',
    permissions   TEXT   NOT NULL DEFAULT '[]',
    claims        TEXT   NOT NULL DEFAULT '{}',     -- the app's own claims
    created_at    BIGINT NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT one_account_an_address UNIQUE (email)
);

-- A refresh reads one row of this table by its primary key, and the user's row by its own.
CREATE TABLE IF NOT EXISTS sessions (
    secret_hash    BYTEA  NOT NULL PRIMARY KEY,     -- SHA-256 of the cookie's 32 bytes
    id             TEXT   NOT NULL UNIQUE,
    user_id        TEXT   NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at     BIGINT NOT NULL,
    last_active_at BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,                 -- the absolute lifetime's end
    ended_at       BIGINT,                          -- when it was revoked, signed out or replaced
    user_agent     TEXT
);

CREATE INDEX IF NOT EXISTS sessions_of_user ON sessions (user_id, created_at);
CREATE INDEX IF NOT EXISTS sessions_by_end ON sessions (expires_at);

CREATE TABLE IF NOT EXISTS signing_keys (
    kid         TEXT   NOT NULL PRIMARY KEY,        -- RFC 7638 thumbprint
    algorithm   TEXT   NOT NULL,                    -- JWS alg
    private_key BYTEA  NOT NULL,
    public_key  BYTEA  NOT NULL,
    state       TEXT   NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    created_at  BIGINT NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS one_current_key ON signing_keys (state) WHERE state = 'current';
CREATE UNIQUE INDEX IF NOT EXISTS one_next_key ON signing_keys (state) WHERE state = 'next';
