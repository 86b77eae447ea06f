//! `POST /v1/sessions`: sign-in with a password.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use fiftyten::protocol::{Code, SignIn};
use sha2::{Digest, Sha256};

use super::body;
use super::caller::Caller;
use super::sender::Sender;
use crate::account;
use crate::claims::Claims;
use crate::opaque::OpaqueSecret;
use crate::password::{LONGEST_PASSWORD, NotChecked};
use crate::problem::Failure;
use crate::secret::Secret;
use crate::server::Shared;
use crate::store::{Account, NewSession, Store};

/// Largest body in bytes.
const LARGEST_BODY: usize = 4096;

pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    origin: Sender,
    credentials: Credentials,
) -> Result<impl IntoResponse, Failure> {
    let account = check(&shared, credentials, &origin, caller.received_ms).await?;
    let secret = OpaqueSecret::random();
    let (user, credentials) = (account.user, account.credentials);
    let session = origin.session(&shared, user.id.clone(), caller.received_ms);
    let keys = shared.keys_since(caller.received_ms).await?;
    let claims = Claims::from(user);
    let body = shared.minter.mint(&keys, &session.user, &claims, &session.id, caller.received_ms)?;
    let opened = shared.store.open_session(NewSession {
        session,
        secret: secret.hash(),
        credentials,
        replaces: caller.secret.map(|secret| secret.hash()),
    });
    if !opened.await? {
        return Err(Failure::new(Code::InvalidCredentials));
    }
    let cookie = shared.cookies.set(&secret);
    Ok((StatusCode::CREATED, AppendHeaders([(SET_COOKIE, cookie)]), Json(body)))
}

/// The account whose password this is.
async fn check(
    shared: &Shared,
    credentials: Credentials,
    sender: &Sender,
    now_ms: u64,
) -> Result<Account, Failure> {
    let Credentials { email, password } = credentials;
    let limited = |retry_after_s| {
        Failure::new(Code::RateLimited)
            .detail("too many attempts to sign in: try again later")
            .retry_after(retry_after_s)
    };
    shared.address_limit.take(sender.subscriber, now_ms).map_err(limited)?;
    let account_key: [u8; 32] = Sha256::digest(&email).into();
    shared.account_limit.take(account_key, now_ms).map_err(limited)?;
    let account = shared.store.find_account(&email).await?;
    let stored = account.as_ref().map(|account| Secret::new(account.password_hash.expose().clone()));
    let matches = shared.passwords.verify(password, stored).await.map_err(|error| match error {
        NotChecked::Overloaded => {
            Failure::new(Code::Overloaded).detail("too many people are signing in: try again later")
        }
        NotChecked::Broken => Failure::new(Code::Internal),
    })?;
    let account = account.filter(|_| matches).ok_or_else(|| {
        Failure::new(Code::InvalidCredentials).detail("e-mail address and password do not match")
    })?;
    shared.address_limit.refund(&sender.subscriber);
    shared.account_limit.refund(&account_key);
    Ok(account)
}

/// The body, read and found to have the right form.
pub(crate) struct Credentials {
    email: String,
    password: Secret<String>,
}

impl FromRequest<Arc<Shared>> for Credentials {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Failure> {
        let bytes = body::json(request, LARGEST_BODY).await?;
        let SignIn { email, password } = serde_json::from_slice(&bytes).map_err(|_| {
            let detail = r#"the body is a JSON object: {"email":"…","password":"…"}"#;
            Failure::new(Code::BadRequest).detail(detail)
        })?;
        let password = Secret::new(password);
        if !(1..=LONGEST_PASSWORD).contains(&password.expose().len()) {
            let detail = format!("a password has 1 to {LONGEST_PASSWORD} bytes");
            return Err(Failure::new(Code::BadRequest).detail(detail));
        }
        Ok(Self { email: account::normalise(&email), password })
    }
}
