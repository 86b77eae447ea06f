-- Apps with a sign-in of their own, and the listener for their servers.

CREATE TABLE IF NOT EXISTS api_credentials (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,        -- SHA-256 of the secret's 32 bytes
    id          TEXT   NOT NULL UNIQUE,
    scope       TEXT   NOT NULL CHECK (scope IN ('admin', 'feed')),
    name        TEXT   NOT NULL,                    -- for people
    created_at  BIGINT NOT NULL
);

-- A ticket that was used is gone.
CREATE TABLE IF NOT EXISTS tickets (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,        -- SHA-256 of the ticket's 32 bytes
    user_id     TEXT   NOT NULL,                    -- what the app calls its user
    roles       TEXT   NOT NULL,
    permissions TEXT   NOT NULL,
    claims      TEXT   NOT NULL,                    -- the app's own claims
    expires_at  BIGINT NOT NULL
);

CREATE INDEX IF NOT EXISTS tickets_of_user ON tickets (user_id);
CREATE INDEX IF NOT EXISTS tickets_by_end ON tickets (expires_at);

-- The user of a session that a ticket opened need not be in `users`, and has claims in the session. Where they are
-- null, those of `users` count.
ALTER TABLE sessions DROP CONSTRAINT IF EXISTS sessions_user_id_fkey;
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS roles TEXT;
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS permissions TEXT;
ALTER TABLE sessions ADD COLUMN IF NOT EXISTS claims TEXT;

-- The revocation feed reads the latest of these ten times a second.
CREATE INDEX IF NOT EXISTS sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
