//! Accounts: who may sign in, and what their tokens say.

use std::fmt;

use serde_json::{Map, Value};

use crate::claims::{Claims, ClaimsError};
use crate::password::{self, HashError, LONGEST_PASSWORD};
use crate::random::{self, UserId};
use crate::secret::Secret;
use crate::store::{Account, Store, StoreError, User};

/// Longest e-mail address in bytes (RFC 5321 section 4.5.3.1.3, with errata 1690).
const LONGEST_EMAIL: usize = 254;

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount {
    /// E-mail address; it is trimmed and put in lower case.
    pub email: String,
    /// 1 to [`LONGEST_PASSWORD`] bytes.
    pub password: Secret<String>,
    /// The tokens' `roles`.
    pub roles: Vec<String>,
    /// The tokens' `permissions`.
    pub permissions: Vec<String>,
    /// The app's own claims: at most [`LARGEST_CLAIMS`](crate::claims::LARGEST_CLAIMS) bytes, none of [`RESERVED_CLAIMS`](crate::RESERVED_CLAIMS).
    pub claims: Map<String, Value>,
}

/// Why an account was not made or changed.
#[derive(Debug)]
pub enum AccountError {
    /// The text is not an e-mail address.
    BadEmail,
    /// The password is empty or longer than [`LONGEST_PASSWORD`] bytes.
    BadPassword,
    /// The claims cannot go into a token.
    Claims(ClaimsError),
    /// There is an account with this address already.
    EmailTaken,
    /// There is no account with this address.
    NoAccount,
    /// The password could not be hashed.
    Hash(HashError),
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEmail => f.write_str("that is not an e-mail address"),
            Self::BadPassword => write!(f, "a password has 1 to {LONGEST_PASSWORD} bytes"),
            Self::Claims(error) => error.fmt(f),
            Self::EmailTaken => f.write_str("there is an account with this e-mail address already"),
            Self::NoAccount => f.write_str("there is no account with this e-mail address"),
            Self::Hash(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AccountError {}

impl From<StoreError> for AccountError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => Self::EmailTaken,
            other => Self::Store(other),
        }
    }
}

/// Makes an account.
///
/// # Errors
///
/// What is wrong with it, or with the store. Nothing is kept then.
pub async fn add(store: &dyn Store, new: NewAccount, now_ms: u64) -> Result<User, AccountError> {
    let user = User {
        id: UserId::random(),
        email: valid_email(&new.email)?,
        roles: new.roles,
        permissions: new.permissions,
        claims: new.claims,
        created_at: now_ms,
    };
    Claims::from(user.clone()).check().map_err(AccountError::Claims)?;
    let account = Account { user: user.clone(), password_hash: hash(new.password).await?, credentials: 0 };
    store.add_account(account).await?;
    Ok(user)
}

/// Changes a password, and ends the user's sessions with it.
///
/// # Errors
///
/// What is wrong with it, or with the store. Nothing is changed then.
pub async fn set_password(
    store: &dyn Store,
    email: &str,
    password: Secret<String>,
    now_ms: u64,
) -> Result<User, AccountError> {
    let user = find(store, email).await?;
    let hash = hash(password).await?;
    if store.set_password(&user.id, hash, now_ms).await? { Ok(user) } else { Err(AccountError::NoAccount) }
}

/// Shuts an account: it gets a password that nobody knows, and its sessions end. A new password opens it again.
///
/// # Errors
///
/// [`AccountError::NoAccount`], or the store's. Nothing is changed then.
pub async fn disable(store: &dyn Store, email: &str, now_ms: u64) -> Result<User, AccountError> {
    set_password(store, email, Secret::new(random::password()), now_ms).await
}

/// The user with this e-mail address.
///
/// # Errors
///
/// [`AccountError::NoAccount`], or the store's.
pub async fn find(store: &dyn Store, email: &str) -> Result<User, AccountError> {
    let account = store.find_account(&normalise(email)).await?;
    account.map(|account| account.user).ok_or(AccountError::NoAccount)
}

/// The form in which addresses are kept and compared.
pub(crate) fn normalise(email: &str) -> String {
    email.trim().to_lowercase()
}

fn valid_email(email: &str) -> Result<String, AccountError> {
    let email = normalise(email);
    let (name, host) = email.rsplit_once('@').ok_or(AccountError::BadEmail)?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if name.is_empty() || host.is_empty() || email.len() > LONGEST_EMAIL || email.contains(odd) {
        return Err(AccountError::BadEmail);
    }
    Ok(email)
}

async fn hash(password: Secret<String>) -> Result<Secret<String>, AccountError> {
    if !(1..=LONGEST_PASSWORD).contains(&password.expose().len()) {
        return Err(AccountError::BadPassword);
    }
    match tokio::task::spawn_blocking(move || password::hash(&password)).await {
        Ok(hash) => hash.map_err(AccountError::Hash),
        // The task is neither aborted nor does it panic; were it so, it should not go unnoticed.
        Err(error) => Err(AccountError::Store(StoreError::Unavailable(error.to_string()))),
    }
}
