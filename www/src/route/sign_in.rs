//! `POST /v1/sessions`: sign-in with a password.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, Request, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use fiftyten::protocol::{Code, SignIn};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::caller::Caller;
use crate::account;
use crate::address;
use crate::opaque::OpaqueSecret;
use crate::password::{LONGEST_PASSWORD, NotChecked};
use crate::problem::Failure;
use crate::random::SessionId;
use crate::secret::Secret;
use crate::server::Shared;
use crate::store::{Account, NewSession, Session, Store};

/// Largest body in bytes.
const LARGEST_BODY: usize = 4096;

/// The body has to arrive within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// As much of `User-Agent` as is kept, in bytes.
const USER_AGENT_LENGTH: usize = 256;

pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    origin: Sender,
    credentials: Credentials,
) -> Result<impl IntoResponse, Failure> {
    let account = check(&shared, credentials, &origin, caller.received_ms).await?;
    let secret = OpaqueSecret::random();
    let session = Session {
        id: SessionId::random(),
        user: account.user.id.clone(),
        created_at: caller.received_ms,
        last_active_at: caller.received_ms,
        expires_at: caller.received_ms + shared.config.absolute_lifetime.as_millis() as u64,
        ended_at: None,
        user_agent: origin.user_agent,
    };
    let keys = shared.keys.fresh().await?;
    let body = shared.minter.mint(&keys, &account.user, &session.id, caller.received_ms)?;
    let opened = shared.store.open_session(NewSession {
        session,
        secret: secret.hash(),
        credentials: account.credentials,
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

/// Where the request comes from.
pub(crate) struct Sender {
    subscriber: IpAddr,
    user_agent: Option<String>,
}

impl axum::extract::FromRequestParts<Arc<Shared>> for Sender {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Failure> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Without a connection, as in a test or behind another server in the process, all share one limit.
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
        if address::is_unknown_proxy(&parts.headers, peer, &shared.config.trusted_proxies)
            && !shared.warned_of_proxy.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "X-Forwarded-For of a peer that is not a trusted proxy is ignored: all users behind it share \
                 one limit on sign-ins. If it is your proxy, name it in trusted_proxy"
            );
        }
        let client = address::client(&parts.headers, peer, &shared.config.trusted_proxies);
        Ok(Self { subscriber: address::subscriber(client), user_agent: user_agent(&parts.headers) })
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().take(USER_AGENT_LENGTH).collect())
}

/// The body, read and found to have the right form.
pub(crate) struct Credentials {
    email: String,
    password: Secret<String>,
}

impl FromRequest<Arc<Shared>> for Credentials {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            let detail = "send the body as application/json";
            return Err(Failure::new(Code::UnsupportedMediaType).detail(detail));
        }
        let bytes = read(request.into_body()).await?;
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

async fn read(body: Body) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let collected = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, LARGEST_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(Zeroizing::new(body.to_bytes().to_vec())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {LARGEST_BODY} bytes");
            Err(Failure::new(Code::PayloadTooLarge).detail(detail))
        }
        Ok(Err(_)) => Err(Failure::new(Code::BadRequest).detail("the body broke off")),
        Err(_) => Err(Failure::new(Code::BadRequest).detail("the body did not arrive in time")),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
