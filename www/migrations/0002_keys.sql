-- Keys that rotate, and lie sealed under a master key.

ALTER TABLE signing_keys ADD COLUMN changed_at INTEGER;                     -- when it came to its state
ALTER TABLE signing_keys ADD COLUMN is_sealed INTEGER NOT NULL DEFAULT 0;   -- whether private_key is sealed

-- One row, which every change of the keys writes: whoever has not seen the last one changes nothing.
CREATE TABLE key_set (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    version TEXT    NOT NULL
) STRICT;

INSERT INTO key_set (id, version) VALUES (1, '');
