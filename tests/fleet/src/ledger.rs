//! What the browsers of a fleet did and saw.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fiftyten::action::Notice;
use fiftyten::protocol::{Code, Reason};

/// One thing that happened to one browser.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the ledger was begun.
    pub at: Duration,
    /// Which browser, by the number it was opened with.
    pub browser: usize,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum What {
    /// It sent a refresh.
    Sent(Reason),
    /// A refresh was answered.
    Answered {
        /// The HTTP status; none if there was no answer.
        status: Option<u16>,
        /// The problem's code, if there was one.
        code: Option<Code>,
    },
    /// Its core told the application.
    Told(Notice),
}

/// What happened to all of them, in order.
#[derive(Debug)]
pub struct Ledger {
    begun: Instant,
    entries: Mutex<Vec<Entry>>,
}

impl Ledger {
    /// An empty one, which begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Instant::now(), entries: Mutex::default() }
    }

    /// The time since it began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn note(&self, browser: usize, what: What) {
        let mut entries = self.lock();
        // Under the lock, so that they are in order.
        let at = self.now();
        entries.push(Entry { at, browser, what });
    }

    /// All of it so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// The ends of sessions that browsers were told of.
    #[must_use]
    pub fn sign_outs(&self) -> Vec<Entry> {
        let told = |entry: &&Entry| matches!(entry.what, What::Told(Notice::SignedOut { .. }));
        self.lock().iter().filter(told).cloned().collect()
    }

    /// How many refreshes were sent in each second since it began, whole seconds only.
    #[must_use]
    pub fn load(&self) -> Vec<u64> {
        let mut load = vec![0; self.now().as_secs() as usize];
        for entry in self.lock().iter().filter(|entry| matches!(entry.what, What::Sent(_))) {
            if let Some(second) = load.get_mut(entry.at.as_secs() as usize) {
                *second += 1;
            }
        }
        load
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}
