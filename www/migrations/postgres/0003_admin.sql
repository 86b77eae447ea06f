-- The admin listener: who may call it.

CREATE TABLE IF NOT EXISTS api_credentials (
    secret_hash BYTEA  NOT NULL PRIMARY KEY,        -- SHA-256 of the secret's 32 bytes
    id          TEXT   NOT NULL UNIQUE,
    scope       TEXT   NOT NULL CHECK (scope IN ('admin', 'feed')),
    name        TEXT   NOT NULL,                    -- for people
    created_at  BIGINT NOT NULL
);
