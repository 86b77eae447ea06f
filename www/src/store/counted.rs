//! A store that counts what is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use super::{
    Account, Found, KeySet, KeySetVersion, NewSession, Redemption, Result, SecretHash, Session, Store,
    StoredKey, Ticket, User,
};
use crate::claims::ClaimsPatch;
use crate::credential::Credential;
use crate::random::{CredentialId, SessionId, UserId};
use crate::secret::Secret;

/// Any store, with its accesses counted: that is how it can be shown what does not touch it.
pub struct Counted {
    store: Arc<dyn Store>,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Counted {
    /// Counts the accesses to `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, reads: AtomicU64::new(0), writes: AtomicU64::new(0) }
    }

    /// Reads so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Writes so far.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn read(&self) -> &dyn Store {
        self.reads.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }

    fn write(&self) -> &dyn Store {
        self.writes.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }
}

#[async_trait]
impl Store for Counted {
    async fn ping(&self) -> Result<()> {
        self.read().ping().await
    }

    async fn find_session(&self, secret: &SecretHash) -> Result<Option<Found>> {
        self.read().find_session(secret).await
    }

    async fn open_session(&self, new: NewSession) -> Result<bool> {
        self.write().open_session(new).await
    }

    async fn end_session(&self, id: &SessionId, of: Option<&UserId>, at: u64) -> Result<bool> {
        self.write().end_session(id, of, at).await
    }

    async fn end_sessions(&self, of: &UserId, except: Option<&SessionId>, at: u64) -> Result<u64> {
        self.write().end_sessions(of, except, at).await
    }

    async fn list_sessions(&self, of: &UserId) -> Result<Vec<Session>> {
        self.read().list_sessions(of).await
    }

    async fn record_activity(&self, batch: Vec<(SessionId, u64)>) -> Result<()> {
        self.write().record_activity(batch).await
    }

    async fn prune_sessions(&self, before: u64) -> Result<u64> {
        self.write().prune_sessions(before).await
    }

    async fn add_account(&self, account: Account) -> Result<()> {
        self.write().add_account(account).await
    }

    async fn find_account(&self, email: &str) -> Result<Option<Account>> {
        self.read().find_account(email).await
    }

    async fn list_users(&self) -> Result<Vec<User>> {
        self.read().list_users().await
    }

    async fn set_password(&self, user: &UserId, hash: Secret<String>, at: u64) -> Result<bool> {
        self.write().set_password(user, hash, at).await
    }

    async fn read_keys(&self) -> Result<KeySet> {
        self.read().read_keys().await
    }

    async fn swap_keys(&self, seen: &KeySetVersion, keys: Vec<StoredKey>) -> Result<bool> {
        self.write().swap_keys(seen, keys).await
    }

    async fn add_credential(&self, credential: Credential, secret: SecretHash) -> Result<()> {
        self.write().add_credential(credential, secret).await
    }

    async fn find_credential(&self, secret: &SecretHash) -> Result<Option<Credential>> {
        self.read().find_credential(secret).await
    }

    async fn list_credentials(&self) -> Result<Vec<Credential>> {
        self.read().list_credentials().await
    }

    async fn remove_credential(&self, id: &CredentialId) -> Result<bool> {
        self.write().remove_credential(id).await
    }

    async fn live_sessions(&self, now: u64) -> Result<Vec<Session>> {
        self.read().live_sessions(now).await
    }

    async fn set_claims(&self, id: &SessionId, claims: ClaimsPatch) -> Result<bool> {
        self.write().set_claims(id, claims).await
    }

    async fn add_ticket(&self, ticket: Ticket, secret: SecretHash) -> Result<()> {
        self.write().add_ticket(ticket, secret).await
    }

    async fn find_ticket(&self, secret: &SecretHash) -> Result<Option<Ticket>> {
        self.read().find_ticket(secret).await
    }

    async fn redeem_ticket(&self, redemption: Redemption) -> Result<bool> {
        self.write().redeem_ticket(redemption).await
    }

    async fn prune_tickets(&self, before: u64) -> Result<u64> {
        self.write().prune_tickets(before).await
    }

    async fn ended_sessions(&self, since: u64) -> Result<Vec<(SessionId, u64)>> {
        self.read().ended_sessions(since).await
    }
}
