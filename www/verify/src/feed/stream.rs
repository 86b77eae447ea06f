//! Following the feed: one connection after the other.

use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::ResponseFuture;
use tokio::task::AbortHandle;

use super::events::{Event, Parser};
use super::{Feed, FeedStatus, RevocationFeed};
use crate::error::VerifyError;
use crate::expect::Expect;
use crate::remote::{self, FetchError, HttpClient};

/// The wait before the second attempt to connect, which doubles with each and is random up to there.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A connection that lasted so long was a good one: the waits begin anew.
const GOOD: Duration = Duration::from_secs(5);

/// The answer to a connection has to begin within this time. A server whose store is down takes 5 s to say so.
const HEAD: Duration = Duration::from_secs(10);

/// After so many times the silence without a byte, the connection is given up for another.
const SILENCES: u32 = 3;

/// Why a feed cannot be followed, whatever the server says.
#[derive(Debug)]
#[non_exhaustive]
pub enum FeedError {
    /// The URL is neither `https` nor `http` on a loopback host, or has a user name in it.
    Url,
    /// The credential has characters that a header cannot carry.
    Credential,
    /// This machine has no certificate authorities to trust, or TLS cannot be set up.
    Tls(Box<dyn Error + Send + Sync>),
    /// There is no tokio runtime to follow it on.
    NoRuntime,
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "the feed's URL must be https, or http on localhost, without a user name",
            Self::Credential => "the feed's credential is not one: give what `credential add` printed",
            Self::Tls(_) => "TLS cannot be set up: install the system's ca-certificates",
            Self::NoRuntime => "there is no tokio runtime here: call `with_feed` from within one",
        })
    }
}

impl Error for FeedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error.as_ref()),
            Self::Url | Self::Credential | Self::NoRuntime => None,
        }
    }
}

/// A feed that is being followed, until it is dropped.
pub(crate) struct Following {
    feed: Arc<Feed>,
    task: AbortHandle,
}

impl Following {
    pub(crate) fn start(settings: &RevocationFeed, expect: &Expect) -> Result<Self, FeedError> {
        let uri: Uri = settings.url.parse().map_err(|_| FeedError::Url)?;
        let client = remote::client(&uri).map_err(|error| match error {
            FetchError::Url => FeedError::Url,
            other => FeedError::Tls(other.into()),
        })?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", settings.credential))
            .map_err(|_| FeedError::Credential)?;
        bearer.set_sensitive(true);
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| FeedError::NoRuntime)?;
        let feed = Arc::new(Feed::new(settings, expect));
        let source = Source { uri, client, bearer };
        let task = runtime.spawn(follow(Arc::clone(&feed), source)).abort_handle();
        Ok(Self { feed, task })
    }

    pub(crate) fn check(&self, session: &str) -> Result<(), VerifyError> {
        self.feed.check(session)
    }

    pub(crate) fn status(&self) -> FeedStatus {
        self.feed.status()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the feed comes from.
struct Source {
    uri: Uri,
    client: HttpClient,
    bearer: HeaderValue,
}

impl Source {
    fn get(&self) -> ResponseFuture {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(AUTHORIZATION, self.bearer.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        self.client.request(request)
    }
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// It could not be made, or broke.
    Transport(Box<dyn Error + Send + Sync>),
    /// The answer was not 200.
    Status(StatusCode),
    /// The answer did not begin in time.
    Timeout,
    /// Nothing came any more.
    Silent,
    /// What came is not the feed.
    Malformed,
    /// The server has finished: it is being stopped, or the credential was removed.
    Closed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => {
                let cause = remote::root_cause(error.as_ref()).map(ToString::to_string);
                write!(f, "the connection failed: {}", cause.unwrap_or_else(|| error.to_string()))
            }
            Self::Status(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => {
                write!(f, "it answered {status}: make a credential of the scope feed")
            }
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Timeout => f.write_str("it did not answer in time"),
            Self::Silent => f.write_str("nothing came any more"),
            Self::Malformed => f.write_str("what came is not the feed: check the URL"),
            Self::Closed => f.write_str("the server has ended it"),
        }
    }
}

async fn follow(feed: Arc<Feed>, source: Source) {
    let connect = async {
        let mut wait = FIRST_WAIT;
        loop {
            let began = Instant::now();
            let end = stream(&feed, &source).await;
            tracing::debug!("the revocation feed has to be opened again: {end}");
            if matches!(end, End::Status(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) | End::Malformed) {
                tracing::warn!("the revocation feed cannot be followed: {end}");
            }
            if began.elapsed() >= GOOD {
                wait = FIRST_WAIT;
            }
            tokio::time::sleep(up_to(wait)).await;
            wait = (2 * wait).min(LONGEST_WAIT);
        }
    };
    let look = async {
        let mut tick = tokio::time::interval((feed.silence / 4).max(Duration::from_millis(10)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            feed.look();
        }
    };
    tokio::join!(connect, look);
}

/// One connection, until it ends.
async fn stream(feed: &Feed, source: &Source) -> End {
    let response = match tokio::time::timeout(HEAD, source.get()).await {
        Err(_) => return End::Timeout,
        Ok(Err(error)) => return End::Transport(error.into()),
        Ok(Ok(response)) => response,
    };
    if response.status() != StatusCode::OK {
        return End::Status(response.status());
    }
    feed.connections.fetch_add(1, Ordering::Relaxed);
    let mut body = response.into_body();
    let mut parser = Parser::default();
    // Until it is told, the longest that is accepted at all.
    let mut lifetime = feed.longest;
    loop {
        let frame = match tokio::time::timeout(feed.silence.saturating_mul(SILENCES), body.frame()).await {
            Err(_) => return End::Silent,
            Ok(None) => return End::Closed,
            Ok(Some(Err(error))) => return End::Transport(error.into()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Some(bytes) = frame.data_ref() else { continue };
        let Ok(events) = parser.push(bytes) else { return End::Malformed };
        let now = Instant::now();
        for event in events {
            match event {
                Event::Start(told) => lifetime = told.saturating_add(feed.skew),
                Event::Ended(sessions) => feed.add(sessions, lifetime, now),
                Event::Heartbeat => feed.heartbeat(now),
            }
        }
    }
}

/// A random part of `most`: verifiers that lost the same server come back apart.
fn up_to(most: Duration) -> Duration {
    let share = f64::from(RandomState::new().hash_one(0) as u32) / f64::from(u32::MAX);
    most.mul_f64(share)
}
