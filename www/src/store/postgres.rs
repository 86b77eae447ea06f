//! PostgreSQL, for more than one server.
//!
//! Everything is read from the primary: a standby may be behind what was acknowledged, and is refused. A
//! commit is durable before it is acknowledged (`synchronous_commit` is `on` or `remote_apply`, whatever the
//! database says), and where there is a synchronous standby, that has it too.
//!
//! After a failover the new primary is found among the hosts of the URL. Once it has been met, no other with a
//! lower timeline is believed, nor any connection to one. That does not replace fencing: until the new primary
//! is met, an old one that still runs looks like any other.
//!
//! Every call is right at every isolation level: what must not happen at the same time writes to the same
//! row, and what collides is tried again. The statements are such that CockroachDB and YugabyteDB run them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{
    Account, Found, KeySet, KeySetVersion, NewSession, Redemption, Result, SecretHash, Session, Store,
    StoreError, StoredKey, Ticket, User,
};
use crate::claims::ClaimsPatch;
use crate::credential::Credential;
use crate::random::{CredentialId, SessionId, UserId};
use crate::secret::Secret;

mod busy;
mod connector;
mod failure;
mod hidden;
mod link;
mod pool;
mod row;
mod schema;
mod statement;
mod tls;
mod url;

use connector::Connector;
use hidden::Hidden;
use pool::{Step, WriteError};
use row::signed;
pub use url::PostgresUrl;

/// Rows that one statement changes at most, where it could be any number: a writer waiting behind it should
/// not notice.
const BATCH: usize = 500;

/// Keeps everything in a PostgreSQL database, which many servers may share.
///
/// It has ten connections at most, made as they are needed; one that is lost is replaced. A call waits 2 s
/// for its turn, and then fails with [`StoreError::Busy`]. A statement may take 3 s, and 5 s with the way.
pub struct PostgresStore {
    pool: pool::Pool,
}

impl PostgresStore {
    /// Connects, and makes the tables where they are missing. Migrations run before this returns; where many
    /// servers start at once, one of them runs each.
    ///
    /// # Errors
    ///
    /// One line that names the database and never the password: it cannot be reached, refuses the user, is
    /// not this program's, or a newer version of this program wrote it.
    pub async fn open(url: &PostgresUrl) -> Result<Self> {
        let named = |why: String| failure::at(url, why);
        let tls = tls::connector(url.tls()).map_err(named)?;
        let connector = Connector::new(url, tls);
        let mut link = connector.connect().await.map_err(named)?;
        if let Some(setting) = &link.durability.overruled {
            tracing::warn!(
                %url, setting, "synchronous_commit would lose acknowledged revocations: it is on for this server"
            );
        }
        if link.durability.no_fsync {
            tracing::warn!(%url, "fsync is off there: revocations may be lost with the power");
        }
        schema::migrate(&mut link).await.map_err(named)?;
        Ok(Self { pool: pool::Pool::new(connector)? })
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn ping(&self) -> Result<()> {
        self.pool.read("SELECT kid FROM signing_keys LIMIT 1", &[]).await.map(drop)
    }

    async fn find_session(&self, secret: &SecretHash) -> Result<Option<Found>> {
        let rows = self.pool.read(row::FIND_SESSION, &[&Hidden(&secret.0[..])]).await?;
        rows.first().map(row::found).transpose()
    }

    async fn open_session(&self, new: NewSession) -> Result<bool> {
        let session = &new.session;
        let (secret, at) = (Hidden(&new.secret.0[..]), Hidden(signed(session.created_at)?));
        let open = Step(
            statement::OPEN,
            &[
                &secret,
                &Hidden(session.id.as_str()),
                &Hidden(session.user.as_str()),
                &at,
                &Hidden(signed(session.last_active_at)?),
                &Hidden(signed(session.expires_at)?),
                &Hidden(session.ended_at.map(signed).transpose()?),
                &Hidden(session.user_agent.as_deref()),
                &Hidden(signed(new.credentials)?),
            ],
        );
        let replaced = new.replaces.as_ref().map(|old| Hidden(&old.0[..]));
        let opened = match &replaced {
            None => self.pool.write(open, &[]).await?,
            Some(old) => {
                self.pool.write(open, &[Step(statement::END_BY_SECRET, &[old, &at, &secret])]).await?
            }
        };
        Ok(opened == 1)
    }

    async fn end_session(&self, id: &SessionId, of: Option<&UserId>, at: u64) -> Result<bool> {
        let (of, at) = (Hidden(of.map(UserId::as_str)), Hidden(signed(at)?));
        let step = Step(statement::END_BY_ID, &[&Hidden(id.as_str()), &of, &at]);
        Ok(self.pool.write(step, &[]).await? == 1)
    }

    async fn end_sessions(&self, of: &UserId, except: Option<&SessionId>, at: u64) -> Result<u64> {
        let (except, at) = (Hidden(except.map(SessionId::as_str)), Hidden(signed(at)?));
        let of = Hidden(of.as_str());
        let end = Step(statement::END_OTHERS, &[&of, &except, &at]);
        // Once more at the end: a session that was just being opened by a ticket is there by then.
        let again = Step(statement::END_AGAIN, &[&of, &at]);
        Ok(self.pool.write(end, &[Step(statement::VOID_TICKETS, &[&of]), end, again]).await?)
    }

    async fn list_sessions(&self, of: &UserId) -> Result<Vec<Session>> {
        let rows = self.pool.list(row::LIST_SESSIONS, &[&Hidden(of.as_str())]).await?;
        rows.iter().map(row::session).collect()
    }

    async fn record_activity(&self, batch: Vec<(SessionId, u64)>) -> Result<()> {
        // In order, so that two servers take the rows' locks in the same one; each session once.
        let mut latest = BTreeMap::new();
        for (id, at) in &batch {
            let known = latest.entry(id.as_str()).or_insert(signed(*at)?);
            *known = signed(*at)?.max(*known);
        }
        let (ids, times): (Vec<&str>, Vec<i64>) = latest.into_iter().unzip();
        for (ids, times) in ids.chunks(BATCH).zip(times.chunks(BATCH)) {
            self.pool.write(Step(statement::RECORD_ACTIVITY, &[&Hidden(ids), &Hidden(times)]), &[]).await?;
        }
        Ok(())
    }

    async fn prune_sessions(&self, before: u64) -> Result<u64> {
        let (before, most) = (Hidden(signed(before)?), Hidden(BATCH as i64));
        let mut pruned = 0;
        loop {
            let some = self.pool.write(Step(statement::PRUNE, &[&before, &most]), &[]).await?;
            if some == 0 {
                return Ok(pruned);
            }
            pruned += some;
        }
    }

    async fn add_account(&self, account: Account) -> Result<()> {
        let user = &account.user;
        let step = Step(
            statement::ADD_ACCOUNT,
            &[
                &Hidden(user.id.as_str()),
                &Hidden(user.email.as_str()),
                &Hidden(account.password_hash.expose().as_str()),
                &Hidden(signed(account.credentials)?),
                &Hidden(row::json(&user.roles)?),
                &Hidden(row::json(&user.permissions)?),
                &Hidden(row::json(&user.claims)?),
                &Hidden(signed(user.created_at)?),
            ],
        );
        match self.pool.write(step, &[]).await {
            // An id is 128 random bits: it is the address that is taken.
            Err(WriteError::Taken(_)) => Err(StoreError::EmailTaken),
            other => Ok(other.map(drop)?),
        }
    }

    async fn find_account(&self, email: &str) -> Result<Option<Account>> {
        // PostgreSQL refuses a text with a zero byte, and so it keeps none.
        if email.contains('\0') {
            return Ok(None);
        }
        let rows = self.pool.read(row::FIND_ACCOUNT, &[&Hidden(email)]).await?;
        rows.first().map(row::account).transpose()
    }

    async fn list_users(&self) -> Result<Vec<User>> {
        let rows = self.pool.list(row::LIST_USERS, &[]).await?;
        let mut users = rows.iter().map(row::user).collect::<Result<Vec<_>>>()?;
        users.sort_by(|a, b| a.email.cmp(&b.email));
        Ok(users)
    }

    async fn set_password(&self, user: &UserId, hash: Secret<String>, at: u64) -> Result<bool> {
        let user = Hidden(user.as_str());
        let (hash, none, at) = (Hidden(hash.expose().as_str()), Hidden(None::<&str>), Hidden(signed(at)?));
        let change = Step(statement::SET_PASSWORD, &[&user, &hash]);
        // A statement of its own: it sees the sessions that were opened while the first one waited.
        let end = Step(statement::END_OTHERS, &[&user, &none, &at]);
        Ok(self.pool.write(change, &[Step(statement::VOID_TICKETS, &[&user]), end]).await? == 1)
    }

    async fn read_keys(&self) -> Result<KeySet> {
        row::keys(&self.pool.read(row::READ_KEYS, &[]).await?)
    }

    async fn swap_keys(&self, seen: &KeySetVersion, keys: Vec<StoredKey>) -> Result<bool> {
        let texts = |of: fn(&StoredKey) -> &str| Hidden(keys.iter().map(of).collect::<Vec<_>>());
        let bytes = |of: fn(&StoredKey) -> &[u8]| Hidden(keys.iter().map(of).collect::<Vec<_>>());
        let times = |of: fn(&StoredKey) -> u64| {
            keys.iter().map(of).map(signed).collect::<Result<Vec<_>>>().map(Hidden)
        };
        let (seen, new) = (Hidden(seen.0.as_str()), KeySetVersion::random());
        let new = Hidden(new.0.as_str());
        let claim = Step(statement::CLAIM_KEYS, &[&seen, &new]);
        let remove = Step(statement::REMOVE_KEYS, &[&new]);
        let add = Step(
            statement::ADD_KEYS,
            &[
                &new,
                &texts(|key| &key.kid),
                &texts(|key| &key.algorithm),
                &bytes(|key| key.private.expose()),
                &Hidden(keys.iter().map(|key| key.is_sealed).collect::<Vec<_>>()),
                &bytes(|key| &key.public),
                &texts(|key| key.state.as_str()),
                &times(|key| key.created_at)?,
                &times(|key| key.changed_at)?,
            ],
        );
        Ok(self.pool.write(claim, &[remove, add]).await? == 1)
    }

    async fn add_credential(&self, credential: Credential, secret: SecretHash) -> Result<()> {
        let step = Step(
            statement::ADD_CREDENTIAL,
            &[
                &Hidden(&secret.0[..]),
                &Hidden(credential.id.as_str()),
                &Hidden(credential.scope.as_str()),
                &Hidden(credential.name.as_str()),
                &Hidden(signed(credential.created_at)?),
            ],
        );
        Ok(self.pool.write(step, &[]).await.map(drop)?)
    }

    async fn find_credential(&self, secret: &SecretHash) -> Result<Option<Credential>> {
        let rows = self.pool.read(row::FIND_CREDENTIAL, &[&Hidden(&secret.0[..])]).await?;
        rows.first().map(row::credential).transpose()
    }

    async fn list_credentials(&self) -> Result<Vec<Credential>> {
        self.pool.list(row::LIST_CREDENTIALS, &[]).await?.iter().map(row::credential).collect()
    }

    async fn remove_credential(&self, id: &CredentialId) -> Result<bool> {
        let step = Step(statement::REMOVE_CREDENTIAL, &[&Hidden(id.as_str())]);
        Ok(self.pool.write(step, &[]).await? == 1)
    }

    async fn live_sessions(&self, now: u64) -> Result<Vec<Session>> {
        let rows = self.pool.list(row::LIVE_SESSIONS, &[&Hidden(signed(now)?)]).await?;
        rows.iter().map(row::session).collect()
    }

    async fn set_claims(&self, id: &SessionId, claims: ClaimsPatch) -> Result<bool> {
        let step = Step(
            statement::SET_CLAIMS,
            &[
                &Hidden(id.as_str()),
                &Hidden(claims.roles.as_ref().map(row::json).transpose()?),
                &Hidden(claims.permissions.as_ref().map(row::json).transpose()?),
                &Hidden(claims.own.as_ref().map(row::json).transpose()?),
            ],
        );
        Ok(self.pool.write(step, &[]).await? == 1)
    }

    async fn add_ticket(&self, ticket: Ticket, secret: SecretHash) -> Result<()> {
        let step = Step(
            statement::ADD_TICKET,
            &[
                &Hidden(&secret.0[..]),
                &Hidden(ticket.user.as_str()),
                &Hidden(row::json(&ticket.claims.roles)?),
                &Hidden(row::json(&ticket.claims.permissions)?),
                &Hidden(row::json(&ticket.claims.own)?),
                &Hidden(signed(ticket.expires_at)?),
            ],
        );
        Ok(self.pool.write(step, &[]).await.map(drop)?)
    }

    async fn find_ticket(&self, secret: &SecretHash) -> Result<Option<Ticket>> {
        let rows = self.pool.read(row::FIND_TICKET, &[&Hidden(&secret.0[..])]).await?;
        rows.first().map(row::ticket).transpose()
    }

    async fn redeem_ticket(&self, redemption: Redemption) -> Result<bool> {
        let session = &redemption.session;
        let (secret, at) = (Hidden(&redemption.secret.0[..]), Hidden(signed(session.created_at)?));
        let open = Step(
            statement::OPEN_BY_TICKET,
            &[
                &secret,
                &Hidden(session.id.as_str()),
                &Hidden(session.user.as_str()),
                &at,
                &Hidden(signed(session.last_active_at)?),
                &Hidden(signed(session.expires_at)?),
                &Hidden(session.ended_at.map(signed).transpose()?),
                &Hidden(session.user_agent.as_deref()),
                &Hidden(&redemption.ticket.0[..]),
            ],
        );
        let replaced = redemption.replaces.as_ref().map(|old| Hidden(&old.0[..]));
        let opened = match &replaced {
            None => self.pool.write(open, &[]).await?,
            Some(old) => {
                self.pool.write(open, &[Step(statement::END_BY_SECRET, &[old, &at, &secret])]).await?
            }
        };
        Ok(opened == 1)
    }

    async fn prune_tickets(&self, before: u64) -> Result<u64> {
        Ok(self.pool.write(Step(statement::PRUNE_TICKETS, &[&Hidden(signed(before)?)]), &[]).await?)
    }

    async fn ended_sessions(&self, since: u64) -> Result<Vec<(SessionId, u64)>> {
        let rows = self.pool.list(row::ENDED_SESSIONS, &[&Hidden(signed(since)?)]).await?;
        rows.iter().map(row::end).collect()
    }
}
