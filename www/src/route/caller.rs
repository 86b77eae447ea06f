//! Who is calling: the checks that come before every use of the session cookie.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use fiftyten::protocol::Code;

use crate::cookie::Presented;
use crate::opaque::OpaqueSecret;
use crate::problem::Failure;
use crate::server::Shared;
use crate::store::{Found, Session, Store};

/// A request that may use the session cookie, and the cookie if it has one.
pub(crate) struct Caller {
    /// When the request was taken in hand, in ms: before anything was read.
    pub(crate) received_ms: u64,
    /// The cookie, if it has the form of one.
    pub(crate) secret: Option<OpaqueSecret>,
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let received_ms = shared.clock.now_ms();
        shared.origins.check(&parts.headers)?;
        match shared.cookies.read(&parts.headers) {
            Presented::Nothing => Ok(Self { received_ms, secret: None }),
            Presented::Secret(secret) => Ok(Self { received_ms, secret: Some(secret) }),
            Presented::Duplicate => Err(Failure::new(Code::DuplicateCookie)
                .detail("the session cookie stands in the request twice: delete this site's cookies")),
        }
    }
}

impl Caller {
    /// The session that the cookie stands for, live or ended.
    pub(crate) async fn find(&self, shared: &Shared) -> Result<Found, Failure> {
        let secret = self.secret.as_ref().ok_or_else(|| Failure::new(Code::NoSession))?;
        let found = shared.store.find_session(&secret.hash()).await?;
        found.ok_or_else(|| Failure::new(Code::NoSession))
    }

    /// The session that the cookie stands for, if it is live.
    pub(crate) async fn live(&self, shared: &Shared) -> Result<Found, Failure> {
        let found = self.find(shared).await?;
        // By a clock that is wrong a session that lives may have expired: the keys are fresh only while this
        // machine's clock is the database's.
        shared.keys_since(self.received_ms).await?;
        match ending(&found.session, shared, self.received_ms) {
            None => Ok(found),
            Some(code) => Err(Failure::new(code).session(found.session.id)),
        }
    }
}

/// How `session` has ended by `now_ms`, or `None` if it is live.
pub(crate) fn ending(session: &Session, shared: &Shared, now_ms: u64) -> Option<Code> {
    let idle_ms = shared.config.idle_lifetime.as_millis() as u64;
    if session.ended_at.is_some() {
        Some(Code::SessionRevoked)
    } else if now_ms >= session.expires_at || now_ms >= session.last_active_at.saturating_add(idle_ms) {
        Some(Code::SessionExpired)
    } else {
        None
    }
}
