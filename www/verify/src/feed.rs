//! Which sessions have ended, as the refresh server's revocation feed tells it.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::error::VerifyError;
use crate::expect::Expect;

mod events;
mod stream;

pub use stream::FeedError;
pub(crate) use stream::Following;

/// How much longer than a token may live here a session's end is remembered, for rounding and delay.
const MARGIN: Duration = Duration::from_secs(5);

/// No token that anybody would accept lives longer. It keeps an absurd setting from being added to a time.
const FOREVER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The refresh server's revocation feed, and what to do while it is silent.
///
/// ```
/// use fiftyten_verify::{OnSilence, RevocationFeed};
///
/// # let credential = String::new();
/// let feed = RevocationFeed::new("http://127.0.0.1:8081/v1/revocations", credential)
///     .on_silence(OnSilence::Refuse);
/// ```
#[derive(Clone)]
pub struct RevocationFeed {
    url: String,
    credential: String,
    on_silence: OnSilence,
    silence: Duration,
}

impl RevocationFeed {
    /// The address of the feed on the server's admin listener (`https`, or `http` on this machine's loopback
    /// interface), and a credential of the scope `feed`, which `fiftyten-server credential add` makes.
    pub fn new(url: impl Into<String>, credential: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credential: credential.into(),
            on_silence: OnSilence::FallBack,
            silence: Duration::from_secs(1),
        }
    }

    /// What happens to tokens while the feed is silent: [`OnSilence::FallBack`] unless set here.
    #[must_use]
    pub fn on_silence(mut self, choice: OnSilence) -> Self {
        self.on_silence = choice;
        self
    }

    /// The time without a heartbeat after which the feed is silent, 1 s unless set here. The server sends four a
    /// second at least, so that less than 500 ms would take a busy machine for a silent one.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }
}

/// Without the credential.
impl fmt::Debug for RevocationFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationFeed")
            .field("url", &self.url)
            .field("on_silence", &self.on_silence)
            .field("silence", &self.silence)
            .finish_non_exhaustive()
    }
}

/// What becomes of good tokens while it is not known which sessions have just ended: before the feed's first
/// heartbeat, and from [`RevocationFeed::silence`] after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSilence {
    /// They are accepted until they expire, as without a feed: a session that ended is dead within a token's
    /// lifetime. The API stays up when the refresh server is not.
    FallBack,
    /// They are refused, with [`VerifyError::FeedSilent`]: nothing is accepted that may have been revoked more than
    /// a second ago. The API is down when the feed is.
    Refuse,
}

/// How a verifier's feed is doing: for metrics. Counts are since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeedStatus {
    /// Whether the last heartbeat is recent enough.
    pub is_current: bool,
    /// Sessions that are remembered to have ended.
    pub sessions: usize,
    /// Times that the feed's stream was opened.
    pub connections: u64,
    /// Times that it fell silent.
    pub silences: u64,
    /// Tokens that were refused because their session had ended.
    pub revoked: u64,
    /// Tokens that were accepted by their lifetime alone, because the feed was silent.
    pub unchecked: u64,
    /// Tokens that were refused because the feed was silent.
    pub refused: u64,
}

/// What was heard.
pub(crate) struct Feed {
    on_silence: OnSilence,
    silence: Duration,
    /// The longest that tokens live here, beyond which there is no use in remembering.
    longest: Duration,
    /// How far this machine's clock may lag the issuer's, and its tokens live longer here.
    skew: Duration,
    began: Instant,
    /// When the last heartbeat came, in ms since `began`, plus 1. 0 if none has.
    heard_ms: AtomicU64,
    /// As of the last look, for counting.
    was_current: AtomicBool,
    ended: RwLock<Ended>,
    connections: AtomicU64,
    silences: AtomicU64,
    revoked: AtomicU64,
    unchecked: AtomicU64,
    refused: AtomicU64,
}

/// Sessions that have ended, for as long as a token of theirs may live.
#[derive(Default)]
struct Ended {
    sessions: HashSet<Arc<str>>,
    /// The same, and until when: the first to be forgotten first.
    order: VecDeque<(Instant, Arc<str>)>,
}

impl Feed {
    fn new(settings: &RevocationFeed, expect: &Expect) -> Self {
        Self {
            on_silence: settings.on_silence,
            silence: settings.silence,
            longest: expect.max_lifetime.saturating_add(expect.max_clock_skew),
            skew: expect.max_clock_skew,
            began: Instant::now(),
            heard_ms: AtomicU64::new(0),
            was_current: AtomicBool::new(false),
            ended: RwLock::default(),
            connections: AtomicU64::new(0),
            silences: AtomicU64::new(0),
            revoked: AtomicU64::new(0),
            unchecked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether a token of this session may be accepted.
    pub(crate) fn check(&self, session: &str) -> Result<(), VerifyError> {
        // First: what is told until a heartbeat comes is there when it has come.
        let is_current = self.is_current();
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner).sessions.contains(session);
        if ended {
            self.revoked.fetch_add(1, Ordering::Relaxed);
            return Err(VerifyError::Revoked);
        }
        if is_current {
            return Ok(());
        }
        match self.on_silence {
            OnSilence::FallBack => {
                self.unchecked.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            OnSilence::Refuse => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(VerifyError::FeedSilent)
            }
        }
    }

    pub(crate) fn status(&self) -> FeedStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FeedStatus {
            is_current: self.is_current(),
            sessions: self.ended.read().unwrap_or_else(PoisonError::into_inner).sessions.len(),
            connections: count(&self.connections),
            silences: count(&self.silences),
            revoked: count(&self.revoked),
            unchecked: count(&self.unchecked),
            refused: count(&self.refused),
        }
    }

    fn is_current(&self) -> bool {
        let heard_ms = self.heard_ms.load(Ordering::Acquire);
        heard_ms != 0 && self.elapsed_ms().saturating_sub(heard_ms - 1) <= self.silence.as_millis() as u64
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// All that had ended has been told.
    fn heartbeat(&self, now: Instant) {
        self.heard_ms.store(self.elapsed_ms() + 1, Ordering::Release);
        self.forget(now);
    }

    /// These sessions have ended, whose tokens live for `lifetime`.
    fn add(&self, sessions: Vec<Arc<str>>, lifetime: Duration, now: Instant) {
        let until = now + self.longest.min(lifetime).min(FOREVER) + MARGIN;
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        for session in sessions {
            if ended.sessions.insert(Arc::clone(&session)) {
                ended.order.push_back((until, session));
            }
        }
    }

    /// Forgets those of which no token can live any more.
    fn forget(&self, now: Instant) {
        let is_over = |ended: &Ended| ended.order.front().is_some_and(|(until, _)| *until <= now);
        if !is_over(&self.ended.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        while is_over(&ended) {
            if let Some((_, session)) = ended.order.pop_front() {
                ended.sessions.remove(&session);
            }
        }
    }

    /// Notes that it fell silent, or is heard again.
    fn look(&self) {
        let is_current = self.is_current();
        match (self.was_current.swap(is_current, Ordering::Relaxed), is_current) {
            (true, false) => {
                self.silences.fetch_add(1, Ordering::Relaxed);
                let then = match self.on_silence {
                    OnSilence::FallBack => "tokens are accepted until they expire",
                    OnSilence::Refuse => "tokens are refused",
                };
                tracing::warn!("the revocation feed is silent: {then} until it is heard again");
            }
            (false, true) => tracing::info!("the revocation feed is heard"),
            (true, true) | (false, false) => {}
        }
    }
}

#[cfg(test)]
mod tests;
