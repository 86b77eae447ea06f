//! Who may call: the credential, found by its hash.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use fiftyten::protocol::Code;

use crate::credential::{self, Scope};
use crate::limit::Limit;
use crate::problem::Failure;
use crate::server::Shared;
use crate::store::{SecretHash, Store};

/// How long a credential that was found counts without being looked for again, in ms: that is how long one
/// that was removed is still let through.
pub(crate) const KNOWN_FOR_MS: u64 = 5_000;

/// Attempts of one address with a credential that nobody knows, and the ms after which there is one more. It is
/// not guessing that they bound, which is hopeless, but what it costs the store.
const BURST: u32 = 20;
const REFILL_MS: u32 = 1_000;

/// Remembers the credentials that were found: no more than there ever were.
#[derive(Debug)]
pub(crate) struct Guard {
    known: Mutex<HashMap<[u8; 32], Known>>,
    attempts: Limit<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    scope: Scope,
    /// When the store was asked, in ms.
    at_ms: u64,
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self { known: Mutex::new(HashMap::new()), attempts: Limit::new(BURST, REFILL_MS) }
    }

    /// The scope of the credential with this hash, `None` if there is no such one.
    async fn scope(
        &self,
        shared: &Shared,
        secret: &SecretHash,
        peer: IpAddr,
    ) -> Result<Option<Scope>, Failure> {
        let now_ms = shared.clock.now_ms();
        let known = self.known().get(&secret.0).copied();
        // A clock that was set back makes it neither younger nor older.
        let age_ms = known.map(|known| now_ms.checked_sub(known.at_ms));
        if let (Some(known), Some(Some(0..KNOWN_FOR_MS))) = (known, age_ms) {
            return Ok(Some(known.scope));
        }
        if known.is_none() {
            self.attempts.take(peer, now_ms).map_err(|retry_after_s| {
                Failure::new(Code::RateLimited)
                    .detail("too many calls with credentials that there are not: try again later")
                    .retry_after(retry_after_s)
            })?;
        }
        let found = shared.store.find_credential(secret).await?;
        match &found {
            Some(credential) => {
                if known.is_none() {
                    self.attempts.refund(&peer);
                }
                self.known().insert(secret.0, Known { scope: credential.scope, at_ms: now_ms });
            }
            None => drop(self.known().remove(&secret.0)),
        }
        Ok(found.map(|credential| credential.scope))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request with a credential of the scope `admin`.
pub(crate) struct Admin;

impl FromRequestParts<Arc<Shared>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        authorize(parts, shared, Scope::Admin).await.map(|_| Self)
    }
}

/// A request with a credential of the scope `feed`.
pub(crate) struct Subscriber {
    pub(crate) secret: SecretHash,
    pub(crate) peer: IpAddr,
}

impl FromRequestParts<Arc<Shared>> for Subscriber {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let (secret, peer) = authorize(parts, shared, Scope::Feed).await?;
        Ok(Self { secret, peer })
    }
}

/// Whether a subscriber's credential has not been removed. Where that cannot be found out, it counts: a stream
/// that is open is ended by the word of the store, not by its silence.
pub(crate) async fn still_counts(shared: &Shared, secret: &SecretHash, peer: IpAddr) -> bool {
    !matches!(shared.guard.scope(shared, secret, peer).await, Ok(None))
}

async fn authorize(parts: &Parts, shared: &Shared, wanted: Scope) -> Result<(SecretHash, IpAddr), Failure> {
    let text = bearer(&parts.headers)?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    let unknown = || {
        Failure::new(Code::CredentialInvalid)
            .detail("there is no such credential: make one with `fiftyten-server credential add`")
    };
    let secret = credential::hash(text).ok_or_else(unknown)?;
    match shared.guard.scope(shared, &secret, peer).await? {
        None => Err(unknown()),
        Some(scope) if scope == wanted => Ok((secret, peer)),
        Some(scope) => {
            let (scope, wanted) = (scope.as_str(), wanted.as_str());
            Err(Failure::new(Code::InsufficientScope)
                .detail(format!("the credential has the scope {scope}, and this call needs {wanted}")))
        }
    }
}

/// RFC 6750 section 2.1.
fn bearer(headers: &HeaderMap) -> Result<&str, Failure> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, second) = (values.next(), values.next());
    let text = match (value, second) {
        (None, _) => {
            return Err(
                Failure::new(Code::CredentialMissing).detail("send `Authorization: Bearer` and a credential")
            );
        }
        (Some(value), None) => value.to_str().ok().and_then(|text| text.split_once(' ')),
        (Some(_), Some(_)) => None,
    };
    match text {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => Ok(text.trim_start_matches(' ')),
        _ => Err(Failure::new(Code::CredentialInvalid)
            .detail("send one `Authorization` header: `Bearer`, one space and a credential")),
    }
}
