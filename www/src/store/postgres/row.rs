//! Rows, read back into the store's types.

use std::cmp::Reverse;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::super::{
    Account, Found, KeySet, KeySetVersion, KeyState, Result, Session, StoreError, StoredKey, Ticket, User,
};
use crate::claims::Claims;
use crate::credential::{Credential, Scope};
use crate::random::{CredentialId, SessionId, UserId};
use crate::secret::Secret;

/// A session that a ticket opened has claims of its own, and its user need not have an account. Of all others
/// the account has to be there.
pub(super) const FIND_SESSION: &str = "SELECT
     s.id AS session_id, s.user_id, s.created_at AS opened_at, s.last_active_at, s.expires_at, s.ended_at,
     s.user_agent, coalesce(s.roles, u.roles) AS roles, coalesce(s.permissions, u.permissions) AS permissions,
     coalesce(s.claims, u.claims) AS claims
     FROM sessions s LEFT JOIN users u ON u.id = s.user_id
     WHERE s.secret_hash = $1 AND coalesce(s.roles, u.roles) IS NOT NULL
     AND coalesce(s.permissions, u.permissions) IS NOT NULL AND coalesce(s.claims, u.claims) IS NOT NULL";

pub(super) const LIST_SESSIONS: &str = "SELECT
     id AS session_id, user_id, created_at AS opened_at, last_active_at, expires_at, ended_at, user_agent
     FROM sessions WHERE user_id = $1 ORDER BY created_at DESC, id";

pub(super) const LIVE_SESSIONS: &str = "SELECT
     id AS session_id, user_id, created_at AS opened_at, last_active_at, expires_at, ended_at, user_agent
     FROM sessions WHERE ended_at IS NULL AND expires_at > $1 ORDER BY created_at DESC, id";

pub(super) const ENDED_SESSIONS: &str =
    "SELECT id, ended_at FROM sessions WHERE ended_at >= $1 ORDER BY ended_at";

pub(super) const FIND_TICKET: &str =
    "SELECT user_id, roles, permissions, claims, expires_at FROM tickets WHERE secret_hash = $1";

pub(super) const FIND_ACCOUNT: &str = "SELECT
     id, email, roles, permissions, claims, created_at, password_hash, credentials
     FROM users WHERE email = $1";

/// Not in order: a database may have an order of its own for texts.
pub(super) const LIST_USERS: &str = "SELECT id, email, roles, permissions, claims, created_at FROM users";

/// One statement, and so one snapshot. Where there are no keys, their columns are null.
pub(super) const READ_KEYS: &str = "SELECT
     s.version, k.kid, k.algorithm, k.private_key, k.is_sealed, k.public_key, k.state, k.created_at,
     coalesce(k.changed_at, k.created_at) AS changed_at,
     CAST(1000 * extract(epoch FROM clock_timestamp()) AS int8) AS clock_ms
     FROM key_set s LEFT JOIN signing_keys k ON true";

pub(super) const FIND_CREDENTIAL: &str =
    "SELECT id, scope, name, created_at FROM api_credentials WHERE secret_hash = $1";

pub(super) const LIST_CREDENTIALS: &str =
    "SELECT id, scope, name, created_at FROM api_credentials ORDER BY created_at, id";

pub(super) fn found(row: &Row) -> Result<Found> {
    Ok(Found { session: session(row)?, claims: claims(row)? })
}

fn claims(row: &Row) -> Result<Claims> {
    Ok(Claims {
        roles: from_json(row, "roles")?,
        permissions: from_json(row, "permissions")?,
        own: from_json(row, "claims")?,
    })
}

pub(super) fn ticket(row: &Row) -> Result<Ticket> {
    Ok(Ticket { user: user_id(row, "user_id")?, claims: claims(row)?, expires_at: time(row, "expires_at")? })
}

pub(super) fn session(row: &Row) -> Result<Session> {
    let id: String = get(row, "session_id")?;
    Ok(Session {
        id: SessionId::parse(&id).ok_or_else(|| corrupt("a session's id"))?,
        user: user_id(row, "user_id")?,
        created_at: time(row, "opened_at")?,
        last_active_at: time(row, "last_active_at")?,
        expires_at: time(row, "expires_at")?,
        ended_at: get::<Option<i64>>(row, "ended_at")?.map(unsigned).transpose()?,
        user_agent: get(row, "user_agent")?,
    })
}

pub(super) fn end(row: &Row) -> Result<(SessionId, u64)> {
    let id: String = get(row, "id")?;
    Ok((SessionId::parse(&id).ok_or_else(|| corrupt("a session's id"))?, time(row, "ended_at")?))
}

pub(super) fn user(row: &Row) -> Result<User> {
    let (email, created_at) = (get(row, "email")?, time(row, "created_at")?);
    let Claims { roles, permissions, own: claims } = claims(row)?;
    Ok(User { id: user_id(row, "id")?, email, roles, permissions, claims, created_at })
}

pub(super) fn account(row: &Row) -> Result<Account> {
    let password_hash = Secret::new(get(row, "password_hash")?);
    Ok(Account { user: user(row)?, password_hash, credentials: time(row, "credentials")? })
}

pub(super) fn keys(rows: &[Row]) -> Result<KeySet> {
    let first = rows.first().ok_or_else(|| corrupt("the key set"))?;
    let version = KeySetVersion(get(first, "version")?);
    let none = get::<Option<String>>(first, "kid")?.is_none();
    let mut keys = if none { Vec::new() } else { rows.iter().map(key).collect::<Result<Vec<_>>>()? };
    let order = |key: &StoredKey| (Reverse(key.created_at), key.state.as_str(), key.kid.clone());
    keys.sort_by_key(order);
    Ok(KeySet { version, keys, clock_ms: Some(time(first, "clock_ms")?) })
}

fn key(row: &Row) -> Result<StoredKey> {
    let state: String = get(row, "state")?;
    Ok(StoredKey {
        kid: get(row, "kid")?,
        algorithm: get(row, "algorithm")?,
        private: Secret::new(get(row, "private_key")?),
        is_sealed: get(row, "is_sealed")?,
        public: get(row, "public_key")?,
        state: KeyState::parse(&state).ok_or_else(|| corrupt("a key's state"))?,
        created_at: time(row, "created_at")?,
        changed_at: time(row, "changed_at")?,
    })
}

pub(super) fn credential(row: &Row) -> Result<Credential> {
    let (id, scope): (String, String) = (get(row, "id")?, get(row, "scope")?);
    Ok(Credential {
        id: CredentialId::parse(&id).ok_or_else(|| corrupt("a credential's id"))?,
        scope: Scope::parse(&scope).ok_or_else(|| corrupt("a credential's scope"))?,
        name: get(row, "name")?,
        created_at: time(row, "created_at")?,
    })
}

/// The text of a JSON column.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A time or a count as the database keeps it: its numbers have a sign.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| corrupt("a number beyond 63 bits"))
}

fn unsigned(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| corrupt("a number below 0"))
}

fn time(row: &Row, column: &str) -> Result<u64> {
    get(row, column).and_then(unsigned)
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T> {
    row.try_get(column).map_err(|_| corrupt(&format!("the column {column}")))
}

fn user_id(row: &Row, column: &str) -> Result<UserId> {
    let text: String = get(row, column)?;
    UserId::parse(&text).ok_or_else(|| corrupt("a user's id"))
}

fn from_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    let text: String = get(row, column)?;
    serde_json::from_str(&text).map_err(|_| corrupt(&format!("a user's {column}")))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
