//! Where a sign-in comes from, and the session that it opens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::address;
use crate::problem::Failure;
use crate::random::{SessionId, UserId};
use crate::server::Shared;
use crate::store::Session;

/// As much of `User-Agent` as is kept, in bytes.
const USER_AGENT_LENGTH: usize = 256;

/// Where the request comes from.
pub(crate) struct Sender {
    pub(crate) subscriber: IpAddr,
    user_agent: Option<String>,
}

impl Sender {
    /// A new session of `user`, who signs in at `now_ms`.
    pub(crate) fn session(self, shared: &Shared, user: UserId, now_ms: u64) -> Session {
        Session {
            id: SessionId::random(),
            user,
            created_at: now_ms,
            last_active_at: now_ms,
            expires_at: now_ms + shared.config.absolute_lifetime.as_millis() as u64,
            ended_at: None,
            user_agent: self.user_agent,
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Sender {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
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
