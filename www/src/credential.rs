//! Credentials of the admin listener: which of the app's own servers may call it, and for what.

use std::fmt;

use zeroize::Zeroizing;

use crate::opaque::OpaqueSecret;
use crate::random::CredentialId;
use crate::secret::Secret;
use crate::store::{SecretHash, Store, StoreError};

/// Longest name in bytes.
const LONGEST_NAME: usize = 64;

/// What a credential is for. One is for one thing: a verifier that follows the feed cannot open sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Tickets, claims, and ending sessions: whoever has it can be any user.
    Admin,
    /// The revocation feed: whoever has it learns which sessions end.
    Feed,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Feed];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Feed => "feed",
        }
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }

    /// What a secret's text begins with, so that people and scanners know one when they see it.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Admin => "fiftyten_admin_",
            Self::Feed => "fiftyten_feed_",
        }
    }
}

/// A credential without its secret, of which only the hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Names it, for its removal.
    pub id: CredentialId,
    /// What it is for.
    pub scope: Scope,
    /// Says to people whose it is: 1 to 64 bytes, on one line.
    pub name: String,
    /// When it was made, in ms.
    pub created_at: u64,
}

/// Why a credential was not made.
#[derive(Debug)]
pub enum CredentialError {
    /// The name is empty, longer than 64 bytes, or has control characters.
    BadName,
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadName => write!(f, "a name has 1 to {LONGEST_NAME} bytes, on one line"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CredentialError {}

/// Makes a credential. The secret that it answers is kept nowhere: it is sent as `Authorization: Bearer`.
///
/// # Errors
///
/// What is wrong with the name, or with the store. Nothing is kept then.
pub async fn add(
    store: &dyn Store,
    scope: Scope,
    name: &str,
    now_ms: u64,
) -> Result<(Credential, Secret<String>), CredentialError> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(CredentialError::BadName);
    }
    let credential =
        Credential { id: CredentialId::random(), scope, name: name.to_owned(), created_at: now_ms };
    let secret = OpaqueSecret::random();
    store.add_credential(credential.clone(), secret.hash()).await.map_err(CredentialError::Store)?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    text.push_str(scope.prefix());
    text.push_str(&secret.text());
    Ok((credential, Secret::new(text.to_string())))
}

/// The hash of a credential's secret, if `text` has the form of one.
pub(crate) fn hash(text: &str) -> Option<SecretHash> {
    let secret = Scope::ALL.into_iter().find_map(|scope| text.strip_prefix(scope.prefix()))?;
    OpaqueSecret::parse(secret.as_bytes()).map(|secret| secret.hash())
}
