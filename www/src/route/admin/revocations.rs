//! `GET /v1/revocations`: server-sent events for verifiers.
//!
//! | event | data | meaning |
//! |---|---|---|
//! | `start` | `{"token_lifetime_ms":60000}` | the first: how long a session that ended has to be remembered |
//! | `ended` | `{"sessions":["…"]}` | these have ended; at most 200, and some may be told again |
//! | `heartbeat` | `{}` | all that had ended when the store was last read has been told |
//!
//! Before the first heartbeat comes all that ended within the last token lifetime.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderName;
use axum::response::sse::{Event, Sse};
use axum::response::{AppendHeaders, IntoResponse};
use fiftyten::protocol::Code;
use futures_util::stream;
use serde::Serialize;

use super::guard::{Subscriber, still_counts};
use crate::feed::{Follower, News};
use crate::problem::Failure;
use crate::random::SessionId;
use crate::server::Shared;
use crate::store::SecretHash;

/// The store has to be read within this time, or the answer is 503.
const TIMEOUT: Duration = Duration::from_secs(5);

/// nginx would gather the events and send them when it has enough.
const NO_BUFFERING: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

pub(crate) async fn follow(
    State(shared): State<Arc<Shared>>,
    Subscriber { secret, peer }: Subscriber,
) -> Result<impl IntoResponse, Failure> {
    let mut follower = Follower::new(&shared.feed);
    let unavailable =
        || Failure::new(Code::Unavailable).detail("the store cannot be read just now: try again later");
    let first = tokio::time::timeout(TIMEOUT, follower.wait()).await;
    first.map_err(|_| unavailable())?.ok_or_else(unavailable)?;
    let stream = Stream { shared, follower, secret, peer, has_begun: false };
    let events = stream::unfold(stream, |mut stream| async {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    Ok((AppendHeaders([NO_BUFFERING]), Sse::new(events)))
}

struct Stream {
    shared: Arc<Shared>,
    follower: Follower,
    secret: SecretHash,
    peer: IpAddr,
    has_begun: bool,
}

#[derive(Serialize)]
struct Start {
    token_lifetime_ms: u64,
}

#[derive(Serialize)]
struct Ended<'a> {
    sessions: &'a [SessionId],
}

impl Stream {
    async fn next(&mut self) -> Option<Event> {
        if !self.has_begun {
            self.has_begun = true;
            let token_lifetime_ms = self.shared.config.token_lifetime.as_millis() as u64;
            return event("start", &Start { token_lifetime_ms });
        }
        loop {
            match self.follower.next().await? {
                News::Ended(sessions) => return event("ended", &Ended { sessions: &sessions }),
                // A credential that was removed while its stream was open.
                News::Heartbeat if !still_counts(&self.shared, &self.secret, self.peer).await => return None,
                // A server that may make no tokens, whatever it is that it lacks, vouches for none either.
                News::Heartbeat if self.shared.keys.fresh().await.is_err() => {}
                News::Heartbeat => return event("heartbeat", &serde_json::Map::new()),
            }
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    // Of texts and a number: it can be written.
    Event::default().event(name).json_data(data).ok()
}
