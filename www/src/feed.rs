//! Which sessions have ended of late: read from the store again and again, and told to whoever follows.
//!
//! Every round reads *all* sessions that ended within the last token lifetime, and not those since the last round:
//! a session bears the time at which its end was asked for, and may come to be read some seconds later, from
//! another server with another clock. So nothing that was acknowledged before a round began is missed by it.
//!
//! What rounds find goes into one log, and each follower reads that from its beginning, at its own pace. So
//! there is no gap between what had ended when it came and what ends from then on. A round that has been read and
//! told is what a heartbeat says: while the store can't be read there are none.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::random::SessionId;
use crate::store::{self, Store};

/// The pause between two rounds. A follower hears of an end after this and two ways, and of each round.
const PAUSE: Duration = Duration::from_millis(100);

/// After a round that took long, the pause is so many times as long: half of the time, the store is left alone.
const REST: u32 = 1;

/// How much longer than a token lives sessions are told of after their end, in ms: until a revocation is read
/// it may have waited for the store, and servers' clocks may differ.
const MARGIN_MS: u64 = 10_000;

/// Sessions told at once.
pub(crate) const BATCH: usize = 200;

#[derive(Debug)]
pub(crate) struct Feed {
    window_ms: u64,
    log: Mutex<Log>,
    /// Rounds that have begun.
    begun: AtomicU64,
    /// The last round that succeeded. What it found is in the log before its number is here.
    done: watch::Sender<u64>,
    followers: AtomicUsize,
    /// Begins a round at once.
    wake: Notify,
    is_closed: watch::Sender<bool>,
}

/// Sessions in the order in which they were found to have ended, the oldest forgotten.
#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<(SessionId, u64)>,
    known: HashSet<SessionId>,
    /// How many were forgotten: the number of the first of `entries`.
    forgotten: u64,
}

impl Feed {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            window_ms: config.token_lifetime.as_millis() as u64 + MARGIN_MS,
            log: Mutex::default(),
            begun: AtomicU64::new(0),
            done: watch::Sender::new(0),
            followers: AtomicUsize::new(0),
            wake: Notify::new(),
            is_closed: watch::Sender::new(false),
        }
    }

    /// Reads, while there is anybody to tell, until it is dropped. The feed is closed then.
    pub(crate) async fn run(&self, store: &dyn Store, clock: &dyn Clock) {
        let _end = CloseAtEnd(self);
        let mut is_failing = false;
        loop {
            if self.followers.load(Ordering::SeqCst) == 0 {
                self.wake.notified().await;
                continue;
            }
            let began = Instant::now();
            let round = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            match self.read(store, clock.now_ms()).await {
                Ok(()) => {
                    self.done.send_replace(round);
                    if is_failing {
                        tracing::info!("the revocation feed goes on");
                    }
                    is_failing = false;
                }
                Err(error) if is_failing => tracing::debug!(%error, "the revocation feed stands still"),
                Err(error) => {
                    tracing::warn!(%error, "the revocation feed stands still until the store can be read");
                    is_failing = true;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE.max(began.elapsed() * REST)) => {}
                () = self.wake.notified() => {}
            }
        }
    }

    async fn read(&self, store: &dyn Store, now_ms: u64) -> store::Result<()> {
        let since = now_ms.saturating_sub(self.window_ms);
        let ended = store.ended_sessions(since).await?;
        let mut log = self.log();
        while log.entries.front().is_some_and(|(_, ended_at)| *ended_at < since) {
            if let Some((session, _)) = log.entries.pop_front() {
                log.known.remove(&session);
                log.forgotten += 1;
            }
        }
        for (session, ended_at) in ended {
            if log.known.insert(session.clone()) {
                log.entries.push_back((session, ended_at));
            }
        }
        Ok(())
    }

    /// No one is told anything any more.
    pub(crate) fn close(&self) {
        self.is_closed.send_replace(true);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct CloseAtEnd<'a>(&'a Feed);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// One that is told.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Arc<Feed>,
    /// How much of the log it has been told.
    position: u64,
    done: watch::Receiver<u64>,
    is_closed: watch::Receiver<bool>,
    /// The round that it has seen the end of, and the one that it has been told of.
    seen: u64,
    told: u64,
}

/// What a follower is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// These sessions have ended.
    Ended(Vec<SessionId>),
    /// All that had ended when a round began has been told.
    Heartbeat,
}

impl Follower {
    /// Begins to follow. It is told all that ended within the last token lifetime, then what ends.
    pub(crate) fn new(feed: &Arc<Feed>) -> Self {
        feed.followers.fetch_add(1, Ordering::SeqCst);
        // A round that has begun already may have read too early.
        let begun = feed.begun.load(Ordering::SeqCst);
        feed.wake.notify_one();
        Self {
            position: 0,
            done: feed.done.subscribe(),
            is_closed: feed.is_closed.subscribe(),
            seen: begun,
            told: begun,
            feed: Arc::clone(feed),
        }
    }

    /// Waits until there is something to tell. `None` at the end.
    pub(crate) async fn wait(&mut self) -> Option<()> {
        let told = self.told;
        tokio::select! {
            biased;
            _ = self.is_closed.wait_for(|is_closed| *is_closed) => None,
            round = self.done.wait_for(|round| *round > told) => {
                self.seen = *round.ok()?;
                Some(())
            }
        }
    }

    /// The next of the news, `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<News> {
        loop {
            if *self.is_closed.borrow() {
                return None;
            }
            // Before the heartbeat of a round comes all that it found.
            if self.seen > self.told {
                let sessions = self.batch();
                if !sessions.is_empty() {
                    return Some(News::Ended(sessions));
                }
                self.told = self.seen;
                return Some(News::Heartbeat);
            }
            self.wait().await?;
        }
    }

    fn batch(&mut self) -> Vec<SessionId> {
        let log = self.feed.log();
        let start = usize::try_from(self.position.saturating_sub(log.forgotten)).unwrap_or(usize::MAX);
        let sessions: Vec<_> =
            log.entries.iter().skip(start).take(BATCH).map(|(session, _)| session.clone()).collect();
        self.position = self.position.max(log.forgotten) + sessions.len() as u64;
        sessions
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.followers.fetch_sub(1, Ordering::SeqCst);
    }
}
