//! Rows, read back into the store's types.

use rusqlite::{Row, ffi};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::{Account, Found, KeyState, Result, Session, StoreError, StoredKey, Ticket, User};
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
     WHERE s.secret_hash = ?1 AND coalesce(s.roles, u.roles) IS NOT NULL
     AND coalesce(s.permissions, u.permissions) IS NOT NULL AND coalesce(s.claims, u.claims) IS NOT NULL";

pub(super) const LIST_SESSIONS: &str = "SELECT
     id AS session_id, user_id, created_at AS opened_at, last_active_at, expires_at, ended_at, user_agent
     FROM sessions WHERE user_id = ?1 ORDER BY created_at DESC, id";

pub(super) const LIVE_SESSIONS: &str = "SELECT
     id AS session_id, user_id, created_at AS opened_at, last_active_at, expires_at, ended_at, user_agent
     FROM sessions WHERE ended_at IS NULL AND expires_at > ?1 ORDER BY created_at DESC, id";

pub(super) const ENDED_SESSIONS: &str =
    "SELECT id, ended_at FROM sessions WHERE ended_at >= ?1 ORDER BY ended_at";

pub(super) const FIND_TICKET: &str =
    "SELECT user_id, roles, permissions, claims, expires_at FROM tickets WHERE secret_hash = ?1";

pub(super) const FIND_ACCOUNT: &str = "SELECT
     id, email, roles, permissions, claims, created_at, password_hash, credentials
     FROM users WHERE email = ?1";

pub(super) const LIST_USERS: &str =
    "SELECT id, email, roles, permissions, claims, created_at FROM users ORDER BY email";

pub(super) const LIST_KEYS: &str = "SELECT
     kid, algorithm, private_key, is_sealed, public_key, state, created_at,
     coalesce(changed_at, created_at) AS changed_at
     FROM signing_keys ORDER BY created_at DESC, state, kid";

pub(super) const FIND_CREDENTIAL: &str =
    "SELECT id, scope, name, created_at FROM api_credentials WHERE secret_hash = ?1";

pub(super) const LIST_CREDENTIALS: &str =
    "SELECT id, scope, name, created_at FROM api_credentials ORDER BY created_at, id";

/// SQLite's own failures are the outer error, rows that make no sense the inner one.
type Read<T> = rusqlite::Result<Result<T>>;

pub(super) fn found(row: &Row<'_>) -> Read<Found> {
    let (session, claims) = (session(row)?, claims(row)?);
    Ok(session.and_then(|session| Ok(Found { session, claims: claims? })))
}

fn claims(row: &Row<'_>) -> Read<Claims> {
    let roles: String = row.get("roles")?;
    let permissions: String = row.get("permissions")?;
    let own: String = row.get("claims")?;
    Ok((|| {
        let (roles, permissions) = (from_json(&roles, "roles")?, from_json(&permissions, "permissions")?);
        Ok(Claims { roles, permissions, own: from_json(&own, "claims")? })
    })())
}

pub(super) fn ticket(row: &Row<'_>) -> Read<Ticket> {
    let user: String = row.get("user_id")?;
    let (claims, expires_at) = (claims(row)?, row.get("expires_at")?);
    Ok((|| Ok(Ticket { user: user_id(&user)?, claims: claims?, expires_at }))())
}

pub(super) fn session(row: &Row<'_>) -> Read<Session> {
    let id: String = row.get("session_id")?;
    let user: String = row.get("user_id")?;
    let (created_at, last_active_at) = (row.get("opened_at")?, row.get("last_active_at")?);
    let (expires_at, ended_at) = (row.get("expires_at")?, row.get("ended_at")?);
    let user_agent = row.get("user_agent")?;
    Ok((|| {
        let id = SessionId::parse(&id).ok_or_else(|| corrupt("a session's id"))?;
        let user = user_id(&user)?;
        Ok(Session { id, user, created_at, last_active_at, expires_at, ended_at, user_agent })
    })())
}

pub(super) fn end(row: &Row<'_>) -> Read<(SessionId, u64)> {
    let (id, ended_at): (String, u64) = (row.get("id")?, row.get("ended_at")?);
    Ok(SessionId::parse(&id).map(|id| (id, ended_at)).ok_or_else(|| corrupt("a session's id")))
}

pub(super) fn user(row: &Row<'_>) -> Read<User> {
    let id: String = row.get("id")?;
    let (email, claims, created_at) = (row.get("email")?, claims(row)?, row.get("created_at")?);
    Ok(claims.and_then(|Claims { roles, permissions, own: claims }| {
        Ok(User { id: user_id(&id)?, email, roles, permissions, claims, created_at })
    }))
}

pub(super) fn account(row: &Row<'_>) -> Read<Account> {
    let user = user(row)?;
    let password_hash = Secret::new(row.get("password_hash")?);
    let credentials = row.get("credentials")?;
    Ok(user.map(|user| Account { user, password_hash, credentials }))
}

pub(super) fn key(row: &Row<'_>) -> Read<StoredKey> {
    let (kid, algorithm) = (row.get("kid")?, row.get("algorithm")?);
    let (private, public) = (Secret::new(row.get("private_key")?), row.get("public_key")?);
    let (is_sealed, state) = (row.get("is_sealed")?, row.get::<_, String>("state")?);
    let (created_at, changed_at) = (row.get("created_at")?, row.get("changed_at")?);
    let state = KeyState::parse(&state).ok_or_else(|| corrupt("a key's state"));
    Ok(state.map(|state| StoredKey {
        kid,
        algorithm,
        private,
        is_sealed,
        public,
        state,
        created_at,
        changed_at,
    }))
}

pub(super) fn credential(row: &Row<'_>) -> Read<Credential> {
    let (id, scope) = (row.get::<_, String>("id")?, row.get::<_, String>("scope")?);
    let (name, created_at) = (row.get("name")?, row.get("created_at")?);
    Ok((|| {
        let id = CredentialId::parse(&id).ok_or_else(|| corrupt("a credential's id"))?;
        let scope = Scope::parse(&scope).ok_or_else(|| corrupt("a credential's scope"))?;
        Ok(Credential { id, scope, name, created_at })
    })())
}

/// The text of a JSON column.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

fn user_id(text: &str) -> Result<UserId> {
    UserId::parse(text).ok_or_else(|| corrupt("a user's id"))
}

fn from_json<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| corrupt(&format!("a user's {what}")))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(what.to_owned())
}
