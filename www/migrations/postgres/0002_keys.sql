-- Keys that rotate, and lie sealed under a master key.

ALTER TABLE signing_keys ADD COLUMN IF NOT EXISTS changed_at BIGINT;        -- when it came to its state
ALTER TABLE signing_keys ADD COLUMN IF NOT EXISTS is_sealed BOOLEAN NOT NULL DEFAULT FALSE;

-- One row, which every change of the keys writes: whoever has not seen the last one changes nothing.
CREATE TABLE IF NOT EXISTS key_set (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version TEXT   NOT NULL
);

INSERT INTO key_set (id, version) VALUES (1, '') ON CONFLICT DO NOTHING;
