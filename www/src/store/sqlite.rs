//! The embedded store: one SQLite file.
//!
//! Write-ahead log with `synchronous=FULL`: a commit is on the disk before it is acknowledged, so that
//! a revocation survives the loss of power (with `NORMAL` it might not). The file holds private keys:
//! it is made readable by its owner only. It must be on a local disk, because the write-ahead log does
//! not work over network file systems.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};

use super::{
    Account, Found, KeySet, KeySetVersion, NewSession, Redemption, Result, SecretHash, Session, Store,
    StoreError, StoredKey, Ticket, User,
};
use crate::claims::ClaimsPatch;
use crate::credential::Credential;
use crate::random::{CredentialId, SessionId, UserId};
use crate::secret::Secret;

mod backup;
mod pool;
mod row;
mod schema;

pub use backup::back_up;

/// Connections that read. A refresh holds one for some microseconds.
const READERS: usize = 4;

/// Keeps everything in one SQLite file.
///
/// Several processes may have the same file open: the command line works while the server runs.
pub struct SqliteStore {
    readers: pool::Pool,
    writer: pool::Pool,
}

impl SqliteStore {
    /// Opens the file, and makes it where it is missing. Migrations run before this returns.
    ///
    /// Blocking: it reads and writes the file.
    ///
    /// # Errors
    ///
    /// One line that names the file: it cannot be read or written, it is not this program's, or a newer
    /// version of this program made it.
    pub fn open(path: &Path) -> Result<Self> {
        let named = |why: String| StoreError::Unavailable(format!("{}: {why}", path.display()));
        let writer = schema::open(path).map_err(named)?;
        let readers = (0..READERS)
            .map(|_| schema::connect_reader(path))
            .collect::<std::result::Result<Vec<_>, String>>()
            .map_err(named)?;
        Ok(Self {
            readers: pool::Pool::start("sqlite-read", readers),
            writer: pool::Pool::start("sqlite-write", vec![writer]),
        })
    }

    async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    {
        self.readers.run(move |connection| job(connection)).await
    }

    /// Runs `job` in a transaction that takes the write lock at once, and commits what it did.
    async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let answer = job(&transaction)?;
                transaction.commit()?;
                Ok(answer)
            })
            .await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

const END_BY_SECRET: &str = "UPDATE sessions SET ended_at = ?2 WHERE secret_hash = ?1 AND ended_at IS NULL";

const END_BY_ID: &str = "UPDATE sessions SET ended_at = coalesce(ended_at, ?3)
     WHERE id = ?1 AND user_id = coalesce(?2, user_id)";

const END_OTHERS: &str = "UPDATE sessions SET ended_at = ?3
     WHERE user_id = ?1 AND id IS NOT ?2 AND ended_at IS NULL";

const OPEN: &str = "INSERT INTO sessions
     (secret_hash, id, user_id, created_at, last_active_at, expires_at, ended_at, user_agent)
     SELECT ?1, ?2, id, ?4, ?5, ?6, ?7, ?8 FROM users WHERE id = ?3 AND credentials = ?9";

const VOID_TICKETS: &str = "DELETE FROM tickets WHERE user_id = ?1";

const OPEN_BY_TICKET: &str = "INSERT INTO sessions
     (secret_hash, id, user_id, created_at, last_active_at, expires_at, ended_at, user_agent,
      roles, permissions, claims)
     SELECT ?1, ?2, user_id, ?4, ?5, ?6, ?7, ?8, roles, permissions, claims
     FROM tickets WHERE secret_hash = ?9 AND user_id = ?3 AND expires_at > ?4";

const ADD_TICKET: &str = "INSERT INTO tickets (secret_hash, user_id, roles, permissions, claims, expires_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const SET_CLAIMS: &str = "UPDATE sessions SET
     roles = coalesce(?2, roles), permissions = coalesce(?3, permissions), claims = coalesce(?4, claims)
     WHERE id = ?1 AND ended_at IS NULL";

const RECORD_ACTIVITY: &str = "UPDATE sessions SET last_active_at = ?2
     WHERE id = ?1 AND last_active_at < ?2 AND ended_at IS NULL";

/// Few enough that a writer waiting behind it does not notice.
const PRUNE: &str = "DELETE FROM sessions WHERE secret_hash IN
     (SELECT secret_hash FROM sessions WHERE expires_at < ?1 LIMIT 500)";

const ADD_ACCOUNT: &str = "INSERT INTO users
     (id, email, password_hash, credentials, roles, permissions, claims, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const SET_PASSWORD: &str = "UPDATE users SET password_hash = ?2, credentials = credentials + 1 WHERE id = ?1";

const CLAIM_KEYS: &str = "UPDATE key_set SET version = ?2 WHERE version = ?1";

const ADD_KEY: &str = "INSERT INTO signing_keys
     (kid, algorithm, private_key, is_sealed, public_key, state, created_at, changed_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const ADD_CREDENTIAL: &str = "INSERT INTO api_credentials (secret_hash, id, scope, name, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5)";

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<()> {
        self.read(|c| Ok(c.prepare_cached("SELECT count(*) FROM signing_keys")?.query_row([], |_| Ok(()))?))
            .await
    }

    async fn find_session(&self, secret: &SecretHash) -> Result<Option<Found>> {
        let secret = *secret;
        self.read(move |c| {
            c.prepare_cached(row::FIND_SESSION)?.query_row([secret.0], row::found).optional()?.transpose()
        })
        .await
    }

    async fn open_session(&self, new: NewSession) -> Result<bool> {
        self.write(move |t| {
            let session = &new.session;
            let opened = t.prepare_cached(OPEN)?.execute(params![
                new.secret.0,
                session.id.as_str(),
                session.user.as_str(),
                session.created_at,
                session.last_active_at,
                session.expires_at,
                session.ended_at,
                session.user_agent,
                new.credentials,
            ])?;
            if opened == 1
                && let Some(old) = new.replaces
            {
                t.prepare_cached(END_BY_SECRET)?.execute(params![old.0, session.created_at])?;
            }
            Ok(opened == 1)
        })
        .await
    }

    async fn end_session(&self, id: &SessionId, of: Option<&UserId>, at: u64) -> Result<bool> {
        let (id, of) = (id.clone(), of.cloned());
        self.write(move |t| {
            let of = of.as_ref().map(UserId::as_str);
            Ok(t.prepare_cached(END_BY_ID)?.execute(params![id.as_str(), of, at])? == 1)
        })
        .await
    }

    async fn end_sessions(&self, of: &UserId, except: Option<&SessionId>, at: u64) -> Result<u64> {
        let (of, except) = (of.clone(), except.cloned());
        self.write(move |t| {
            let except = except.as_ref().map(SessionId::as_str);
            t.prepare_cached(VOID_TICKETS)?.execute([of.as_str()])?;
            Ok(t.prepare_cached(END_OTHERS)?.execute(params![of.as_str(), except, at])? as u64)
        })
        .await
    }

    async fn list_sessions(&self, of: &UserId) -> Result<Vec<Session>> {
        let of = of.clone();
        self.read(move |c| {
            c.prepare_cached(row::LIST_SESSIONS)?.query_map([of.as_str()], row::session)?.flatten_rows()
        })
        .await
    }

    async fn record_activity(&self, batch: Vec<(SessionId, u64)>) -> Result<()> {
        self.write(move |t| {
            let mut statement = t.prepare_cached(RECORD_ACTIVITY)?;
            for (id, at) in &batch {
                statement.execute(params![id.as_str(), at])?;
            }
            Ok(())
        })
        .await
    }

    async fn prune_sessions(&self, before: u64) -> Result<u64> {
        let mut pruned = 0;
        loop {
            let some = self.write(move |t| Ok(t.prepare_cached(PRUNE)?.execute([before])? as u64)).await?;
            if some == 0 {
                return Ok(pruned);
            }
            pruned += some;
        }
    }

    async fn add_account(&self, account: Account) -> Result<()> {
        self.write(move |t| {
            let user = &account.user;
            let added = t.prepare_cached(ADD_ACCOUNT)?.execute(params![
                user.id.as_str(),
                user.email,
                account.password_hash.expose(),
                account.credentials,
                row::json(&user.roles)?,
                row::json(&user.permissions)?,
                row::json(&user.claims)?,
                user.created_at,
            ]);
            match added {
                Err(error) if row::is_unique_violation(&error) => Err(StoreError::EmailTaken),
                other => Ok(other.map(|_| ())?),
            }
        })
        .await
    }

    async fn find_account(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.read(move |c| {
            c.prepare_cached(row::FIND_ACCOUNT)?.query_row([email], row::account).optional()?.transpose()
        })
        .await
    }

    async fn list_users(&self) -> Result<Vec<User>> {
        self.read(|c| c.prepare_cached(row::LIST_USERS)?.query_map([], row::user)?.flatten_rows()).await
    }

    async fn set_password(&self, user: &UserId, hash: Secret<String>, at: u64) -> Result<bool> {
        let user = user.clone();
        self.write(move |t| {
            let changed = t.prepare_cached(SET_PASSWORD)?.execute(params![user.as_str(), hash.expose()])?;
            t.prepare_cached(VOID_TICKETS)?.execute([user.as_str()])?;
            t.prepare_cached(END_OTHERS)?.execute(params![user.as_str(), None::<&str>, at])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn read_keys(&self) -> Result<KeySet> {
        self.read(|c| {
            // One snapshot for both statements.
            let transaction = c.unchecked_transaction()?;
            let version = transaction
                .prepare_cached("SELECT version FROM key_set")?
                .query_row([], |row| row.get(0).map(KeySetVersion))?;
            let keys = transaction.prepare_cached(row::LIST_KEYS)?.query_map([], row::key)?.flatten_rows()?;
            Ok(KeySet { version, keys, clock_ms: None })
        })
        .await
    }

    async fn swap_keys(&self, seen: &KeySetVersion, keys: Vec<StoredKey>) -> Result<bool> {
        let (KeySetVersion(seen), KeySetVersion(new)) = (seen.clone(), KeySetVersion::random());
        let swapped = self.write(move |t| {
            if t.prepare_cached(CLAIM_KEYS)?.execute(params![seen, new])? == 0 {
                return Ok(false);
            }
            t.execute("DELETE FROM signing_keys", [])?;
            for key in &keys {
                t.prepare_cached(ADD_KEY)?.execute(params![
                    key.kid,
                    key.algorithm,
                    key.private.expose(),
                    key.is_sealed,
                    key.public,
                    key.state.as_str(),
                    key.created_at,
                    key.changed_at,
                ])?;
            }
            Ok(true)
        });
        let swapped = swapped.await?;
        // What was there, keys in the clear perhaps, lies on in the log until that is begun anew. Where somebody reads
        // on and on, it stays until then.
        let emptied = self.writer.run(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(StoreError::from)
        });
        if let Err(error) = emptied.await {
            tracing::warn!(%error, "the write-ahead log could not be emptied of the former keys");
        }
        Ok(swapped)
    }

    async fn add_credential(&self, credential: Credential, secret: SecretHash) -> Result<()> {
        self.write(move |t| {
            t.prepare_cached(ADD_CREDENTIAL)?.execute(params![
                secret.0,
                credential.id.as_str(),
                credential.scope.as_str(),
                credential.name,
                credential.created_at,
            ])?;
            Ok(())
        })
        .await
    }

    async fn find_credential(&self, secret: &SecretHash) -> Result<Option<Credential>> {
        let secret = *secret;
        self.read(move |c| {
            let mut statement = c.prepare_cached(row::FIND_CREDENTIAL)?;
            statement.query_row([secret.0], row::credential).optional()?.transpose()
        })
        .await
    }

    async fn list_credentials(&self) -> Result<Vec<Credential>> {
        self.read(|c| c.prepare_cached(row::LIST_CREDENTIALS)?.query_map([], row::credential)?.flatten_rows())
            .await
    }

    async fn remove_credential(&self, id: &CredentialId) -> Result<bool> {
        let id = id.clone();
        self.write(move |t| {
            Ok(t.prepare_cached("DELETE FROM api_credentials WHERE id = ?1")?.execute([id.as_str()])? == 1)
        })
        .await
    }

    async fn live_sessions(&self, now: u64) -> Result<Vec<Session>> {
        self.read(move |c| {
            c.prepare_cached(row::LIVE_SESSIONS)?.query_map([now], row::session)?.flatten_rows()
        })
        .await
    }

    async fn set_claims(&self, id: &SessionId, claims: ClaimsPatch) -> Result<bool> {
        let id = id.clone();
        self.write(move |t| {
            let changed = t.prepare_cached(SET_CLAIMS)?.execute(params![
                id.as_str(),
                claims.roles.as_ref().map(row::json).transpose()?,
                claims.permissions.as_ref().map(row::json).transpose()?,
                claims.own.as_ref().map(row::json).transpose()?,
            ])?;
            Ok(changed == 1)
        })
        .await
    }

    async fn add_ticket(&self, ticket: Ticket, secret: SecretHash) -> Result<()> {
        self.write(move |t| {
            t.prepare_cached(ADD_TICKET)?.execute(params![
                secret.0,
                ticket.user.as_str(),
                row::json(&ticket.claims.roles)?,
                row::json(&ticket.claims.permissions)?,
                row::json(&ticket.claims.own)?,
                ticket.expires_at,
            ])?;
            Ok(())
        })
        .await
    }

    async fn find_ticket(&self, secret: &SecretHash) -> Result<Option<Ticket>> {
        let secret = *secret;
        self.read(move |c| {
            c.prepare_cached(row::FIND_TICKET)?.query_row([secret.0], row::ticket).optional()?.transpose()
        })
        .await
    }

    async fn redeem_ticket(&self, redemption: Redemption) -> Result<bool> {
        self.write(move |t| {
            let Redemption { ticket, session, secret, replaces } = redemption;
            let opened = t.prepare_cached(OPEN_BY_TICKET)?.execute(params![
                secret.0,
                session.id.as_str(),
                session.user.as_str(),
                session.created_at,
                session.last_active_at,
                session.expires_at,
                session.ended_at,
                session.user_agent,
                ticket.0,
            ])?;
            if opened == 1 {
                t.prepare_cached("DELETE FROM tickets WHERE secret_hash = ?1")?.execute([ticket.0])?;
                if let Some(old) = replaces {
                    t.prepare_cached(END_BY_SECRET)?.execute(params![old.0, session.created_at])?;
                }
            }
            Ok(opened == 1)
        })
        .await
    }

    async fn prune_tickets(&self, before: u64) -> Result<u64> {
        self.write(move |t| {
            Ok(t.prepare_cached("DELETE FROM tickets WHERE expires_at < ?1")?.execute([before])? as u64)
        })
        .await
    }

    async fn ended_sessions(&self, since: u64) -> Result<Vec<(SessionId, u64)>> {
        self.read(move |c| {
            c.prepare_cached(row::ENDED_SESSIONS)?.query_map([since], row::end)?.flatten_rows()
        })
        .await
    }
}

/// Rows that may fail twice: SQLite may not give them, and they may not make sense.
trait FlattenRows<T> {
    fn flatten_rows(self) -> Result<Vec<T>>;
}

impl<T, I: Iterator<Item = rusqlite::Result<Result<T>>>> FlattenRows<T> for I {
    fn flatten_rows(self) -> Result<Vec<T>> {
        self.map(|row| row?).collect()
    }
}
