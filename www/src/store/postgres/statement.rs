//! The statements that write.

pub(super) const END_BY_SECRET: &str = "UPDATE sessions SET ended_at = $2::bigint
     WHERE secret_hash = $1 AND ended_at IS NULL AND EXISTS (SELECT 1 FROM sessions WHERE secret_hash = $3)";

pub(super) const END_BY_ID: &str = "UPDATE sessions SET ended_at = coalesce(ended_at, $3::bigint)
     WHERE id = $1 AND user_id = coalesce($2::text, user_id)";

pub(super) const END_OTHERS: &str = "UPDATE sessions SET ended_at = $3::bigint
     WHERE user_id = $1 AND ($2::text IS NULL OR id <> $2::text) AND ended_at IS NULL";

/// Writes again what ended in the last ten minutes: where an attempt before this one was not acknowledged, because
/// its standby was gone, this one must not be acknowledged without the standby either. A transaction that changes
/// nothing waits for none.
pub(super) const END_AGAIN: &str = "UPDATE sessions SET ended_at = ended_at
     WHERE user_id = $1 AND ended_at <= $2::bigint AND ended_at > $2::bigint - 600000";

/// The user's row is written, though nothing in it changes, so that this and a change of the password come
/// one after the other: then it either sees the change, or its session is there to be ended by it.
pub(super) const OPEN: &str = "WITH account AS (
         UPDATE users SET credentials = credentials WHERE id = $3 AND credentials = $9 RETURNING id)
     INSERT INTO sessions
     (secret_hash, id, user_id, created_at, last_active_at, expires_at, ended_at, user_agent)
     SELECT $1::bytea, $2::text, id, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::text FROM account";

/// Waits for whoever is just using one of them up: what comes after it sees that session.
pub(super) const VOID_TICKETS: &str = "DELETE FROM tickets WHERE user_id = $1";

/// Whoever deletes the ticket opens the session: of two at once, the second finds it gone.
pub(super) const OPEN_BY_TICKET: &str = "WITH ticket AS (
         DELETE FROM tickets WHERE secret_hash = $9 AND user_id = $3 AND expires_at > $4::bigint
         RETURNING user_id, roles, permissions, claims)
     INSERT INTO sessions
     (secret_hash, id, user_id, created_at, last_active_at, expires_at, ended_at, user_agent,
      roles, permissions, claims)
     SELECT $1::bytea, $2::text, user_id, $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::text,
      roles, permissions, claims FROM ticket";

pub(super) const ADD_TICKET: &str =
    "INSERT INTO tickets (secret_hash, user_id, roles, permissions, claims, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const PRUNE_TICKETS: &str = "DELETE FROM tickets WHERE expires_at < $1";

pub(super) const SET_CLAIMS: &str = "UPDATE sessions SET
     roles = coalesce($2::text, roles), permissions = coalesce($3::text, permissions),
     claims = coalesce($4::text, claims)
     WHERE id = $1 AND ended_at IS NULL";

pub(super) const RECORD_ACTIVITY: &str = "UPDATE sessions SET last_active_at = noted.at
     FROM (SELECT unnest($1::text[]) AS id, unnest($2::bigint[]) AS at) AS noted
     WHERE sessions.id = noted.id AND last_active_at < noted.at AND ended_at IS NULL";

pub(super) const PRUNE: &str = "DELETE FROM sessions WHERE secret_hash IN
     (SELECT secret_hash FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";

pub(super) const ADD_ACCOUNT: &str = "INSERT INTO users
     (id, email, password_hash, credentials, roles, permissions, claims, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

pub(super) const SET_PASSWORD: &str =
    "UPDATE users SET password_hash = $2, credentials = credentials + 1 WHERE id = $1";

/// Whoever changes the keys writes this row first: of two that have seen the same, one finds it changed.
pub(super) const CLAIM_KEYS: &str = "UPDATE key_set SET version = $2 WHERE version = $1";

pub(super) const REMOVE_KEYS: &str =
    "DELETE FROM signing_keys WHERE EXISTS (SELECT 1 FROM key_set WHERE version = $1)";

pub(super) const ADD_KEYS: &str = "INSERT INTO signing_keys
     (kid, algorithm, private_key, is_sealed, public_key, state, created_at, changed_at)
     SELECT kid, algorithm, private_key, is_sealed, public_key, state, created_at, changed_at
     FROM (SELECT unnest($2::text[]) AS kid, unnest($3::text[]) AS algorithm,
             unnest($4::bytea[]) AS private_key, unnest($5::boolean[]) AS is_sealed,
             unnest($6::bytea[]) AS public_key, unnest($7::text[]) AS state,
             unnest($8::bigint[]) AS created_at, unnest($9::bigint[]) AS changed_at) AS made
     WHERE EXISTS (SELECT 1 FROM key_set WHERE version = $1)";

pub(super) const ADD_CREDENTIAL: &str =
    "INSERT INTO api_credentials (secret_hash, id, scope, name, created_at)
     VALUES ($1, $2, $3, $4, $5)";

pub(super) const REMOVE_CREDENTIAL: &str = "DELETE FROM api_credentials WHERE id = $1";
