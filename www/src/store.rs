//! What the server keeps, and the one small trait through which it keeps it.
//!
//! All times are milliseconds since the Unix epoch, by the server's clock. A store decides nothing
//! about lifetimes: it keeps rows, and a write that it has acknowledged survives a crash.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::claims::{Claims, ClaimsPatch};
use crate::credential::Credential;
use crate::random::{self, CredentialId, SessionId, UserId};
use crate::secret::Secret;

mod counted;
pub mod postgres;
pub mod sqlite;

pub use counted::Counted;
pub use postgres::{PostgresStore, PostgresUrl};
pub use sqlite::SqliteStore;

/// SHA-256 of the 32 bytes of a session cookie, a ticket or a credential: all that a store ever sees of the secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret hash]")
    }
}

/// A user as tokens describe them.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The token's `sub`.
    pub id: UserId,
    /// E-mail address, trimmed and in lower case. Unique.
    pub email: String,
    /// The token's `roles`.
    pub roles: Vec<String>,
    /// The token's `permissions`.
    pub permissions: Vec<String>,
    /// The app's own claims.
    pub claims: Map<String, Value>,
    /// When the account was made, in ms.
    pub created_at: u64,
}

/// A user and how they sign in.
#[derive(Debug)]
pub struct Account {
    /// The user.
    pub user: User,
    /// The argon2id hash of the password, as a PHC string.
    pub password_hash: Secret<String>,
    /// Counts the changes of the password. See [`NewSession::credentials`].
    pub credentials: u64,
}

/// A session's row.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The token's `sid`.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When the user signed in, in ms.
    pub created_at: u64,
    /// When the user was last active, in ms, to within a minute.
    pub last_active_at: u64,
    /// When it ends whatever the user does, in ms.
    pub expires_at: u64,
    /// When it was ended, in ms: by its user, by an administrator, or by signing in over it.
    pub ended_at: Option<u64>,
    /// The browser's `User-Agent` at sign-in, cut to 256 bytes.
    pub user_agent: Option<String>,
}

/// A session and what its tokens say, as one read finds them.
#[derive(Clone, Debug)]
pub struct Found {
    /// The session, live or not.
    pub session: Session,
    /// Its own claims where it has them; those of its user's account where it has not.
    pub claims: Claims,
}

/// A session to be opened.
#[derive(Debug)]
pub struct NewSession {
    /// The row.
    pub session: Session,
    /// Hash of the new cookie.
    pub secret: SecretHash,
    /// The [`Account::credentials`] that were checked: if the password has changed since, no session
    /// is opened.
    pub credentials: u64,
    /// The session that the browser had before: it is ended in the same transaction.
    pub replaces: Option<SecretHash>,
}

/// A ticket: somebody was authenticated by the app's own sign-in.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    /// Who it was. There need not be an account of that id.
    pub user: UserId,
    /// The claims of the session that it opens.
    pub claims: Claims,
    /// Until when it is good, in ms.
    pub expires_at: u64,
}

/// A session to be opened by a ticket.
#[derive(Debug)]
pub struct Redemption {
    /// Hash of the ticket.
    pub ticket: SecretHash,
    /// The row. Its claims are the ticket's.
    pub session: Session,
    /// Hash of the new cookie.
    pub secret: SecretHash,
    /// The session that the browser had before: it is ended in the same transaction.
    pub replaces: Option<SecretHash>,
}

/// Where a signing key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and not yet used.
    Next,
    /// Signs.
    Current,
    /// Signs no more; published until its last token has expired.
    Retired,
}

impl KeyState {
    /// The word that the store keeps.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
        }
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Next, Self::Current, Self::Retired].into_iter().find(|state| state.as_str() == word)
    }
}

/// A signing key's row.
#[derive(Debug)]
pub struct StoredKey {
    /// RFC 7638 thumbprint of the public key.
    pub kid: String,
    /// The JWS `alg` it signs with.
    pub algorithm: String,
    /// The private key, 32 bytes: for `EdDSA` the seed, for `ES256` the scalar. Or what seals it.
    pub private: Secret<Vec<u8>>,
    /// Whether it is sealed under a master key.
    pub is_sealed: bool,
    /// The public key: for `EdDSA` 32 bytes, for `ES256` an uncompressed point of 65.
    pub public: Vec<u8>,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made, in ms.
    pub created_at: u64,
    /// When it came to stand there, in ms.
    pub changed_at: u64,
}

/// Names one state of the key set: no two have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetVersion(pub String);

impl KeySetVersion {
    /// A new one, 128 random bits.
    pub(crate) fn random() -> Self {
        Self(random::hex::<16>())
    }
}

/// Every signing key, as one read finds them.
#[derive(Debug)]
pub struct KeySet {
    /// Which state of the set this is.
    pub version: KeySetVersion,
    /// The keys, the latest first.
    pub keys: Vec<StoredKey>,
    /// What the database's own clock said then, in ms since the Unix epoch. `None` where it has none but this
    /// machine's.
    pub clock_ms: Option<u64>,
}

/// Why a store could not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// More is waiting than the store can do in time. Nothing was done.
    Busy,
    /// The store cannot be reached, read or written. Whether a write was done is not known.
    Unavailable(String),
    /// A row is not what this program would have written.
    Corrupt(String),
    /// There is an account with this e-mail address already. Nothing was done.
    EmailTaken,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the store has too much to do"),
            Self::Unavailable(why) => write!(f, "the store is unavailable: {why}"),
            Self::Corrupt(what) => write!(f, "the store holds a row that makes no sense: {what}"),
            Self::EmailTaken => f.write_str("there is an account with this e-mail address already"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What every call of a store answers.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Keeps users, sessions, keys and credentials.
///
/// Reads see every write that was acknowledged before they began, whichever process made it.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Answers if the store can be read.
    async fn ping(&self) -> Result<()>;

    /// The session whose cookie has this hash, live or ended, and its claims.
    async fn find_session(&self, secret: &SecretHash) -> Result<Option<Found>>;

    /// Opens a session and, in the same transaction, ends the one that it replaces. `false`, and
    /// nothing is changed, if the account is gone or its password was changed meanwhile.
    async fn open_session(&self, new: NewSession) -> Result<bool>;

    /// Ends a session at `at`, unless it has ended before. `of` limits it to one user's. `false` if
    /// there is no such session.
    async fn end_session(&self, id: &SessionId, of: Option<&UserId>, at: u64) -> Result<bool>;

    /// Ends all of a user's sessions but `except`, and voids the user's tickets. The number of sessions that
    /// were not ended before.
    async fn end_sessions(&self, of: &UserId, except: Option<&SessionId>, at: u64) -> Result<u64>;

    /// A user's sessions, live or ended, the latest first.
    async fn list_sessions(&self, of: &UserId) -> Result<Vec<Session>>;

    /// Every session that has neither been ended nor reached its absolute lifetime at `now`, the latest first.
    async fn live_sessions(&self, now: u64) -> Result<Vec<Session>>;

    /// Every session that was ended at `since` or later, and when: the earliest end first.
    async fn ended_sessions(&self, since: u64) -> Result<Vec<(SessionId, u64)>>;

    /// Replaces claims of a session, whose account's count for those no more. `false` if there is no such
    /// session or it was ended.
    async fn set_claims(&self, id: &SessionId, claims: ClaimsPatch) -> Result<bool>;

    /// Moves `last_active_at` forward, never back, for sessions that have not ended.
    async fn record_activity(&self, batch: Vec<(SessionId, u64)>) -> Result<()>;

    /// Forgets sessions whose absolute lifetime ended before `before`. The number forgotten.
    async fn prune_sessions(&self, before: u64) -> Result<u64>;

    /// Adds an account. [`StoreError::EmailTaken`] if its address has one.
    async fn add_account(&self, account: Account) -> Result<()>;

    /// The account with this (trimmed, lower-case) e-mail address.
    async fn find_account(&self, email: &str) -> Result<Option<Account>>;

    /// Every user, by e-mail address.
    async fn list_users(&self) -> Result<Vec<User>>;

    /// Replaces a password and, in the same transaction, ends the user's sessions and voids the user's tickets.
    /// `false` if there is no such user.
    async fn set_password(&self, user: &UserId, hash: Secret<String>, at: u64) -> Result<bool>;

    /// The signing keys.
    async fn read_keys(&self) -> Result<KeySet>;

    /// Puts `keys` in the place of those that were read as `seen`, all in one transaction. `false`, and
    /// nothing is changed, if they are no longer what was seen. So of several servers that see that a
    /// change is due, one makes it.
    async fn swap_keys(&self, seen: &KeySetVersion, keys: Vec<StoredKey>) -> Result<bool>;

    /// Adds a ticket.
    async fn add_ticket(&self, ticket: Ticket, secret: SecretHash) -> Result<()>;

    /// The ticket with this hash, expired or not, unless it was used or voided.
    async fn find_ticket(&self, secret: &SecretHash) -> Result<Option<Ticket>>;

    /// Uses a ticket up, opens the session that it is for, and ends the one that this replaces, all in one
    /// transaction. `false`, and nothing is changed, if there is no such ticket of the session's user, if it was
    /// used before, or if it is good no longer when the session is made. So of two that use it at once, one
    /// does.
    async fn redeem_ticket(&self, redemption: Redemption) -> Result<bool>;

    /// Forgets tickets that expired before `before`. The number forgotten.
    async fn prune_tickets(&self, before: u64) -> Result<u64>;

    /// Adds a credential of the admin listener.
    async fn add_credential(&self, credential: Credential, secret: SecretHash) -> Result<()>;

    /// The credential whose secret has this hash.
    async fn find_credential(&self, secret: &SecretHash) -> Result<Option<Credential>>;

    /// Every credential, in the order in which they were made.
    async fn list_credentials(&self) -> Result<Vec<Credential>>;

    /// Removes a credential. `false` if there is no such one.
    async fn remove_credential(&self, id: &CredentialId) -> Result<bool>;
}
