//! When users were last active: noted in memory on the request's path, written in batches off it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Config;
use crate::random::SessionId;
use crate::store::{self, Session, Store};

/// A session's activity is written once a minute at most.
const MOST_OFTEN: Duration = Duration::from_secs(60);

/// Batches are written this often.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Sessions noted at a time. Should the store be away for long, the rest is noted at a later refresh.
const MOST_NOTED: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Activity {
    due_after_ms: u64,
    flush_every: Duration,
    noted: Mutex<HashMap<SessionId, u64>>,
}

impl Activity {
    /// The periods above, or a tenth of the idle lifetime where that is shorter.
    pub(crate) fn new(config: &Config) -> Self {
        let tenth = config.idle_lifetime / 10;
        let flush_every = FLUSH_EVERY.min(tenth);
        // A batch may be written as late as `flush_every` after it was noted: with that added, two writes
        // for one session are `MOST_OFTEN` apart even if only the first one is late.
        let due_after_ms = (MOST_OFTEN.min(tenth) + flush_every).as_millis() as u64;
        Self { due_after_ms, flush_every, noted: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn flush_every(&self) -> Duration {
        self.flush_every
    }

    /// Notes that the user of `session` was active at `now_ms`, unless its row says nearly that already.
    pub(crate) fn note(&self, session: &Session, now_ms: u64) {
        if now_ms.saturating_sub(session.last_active_at) < self.due_after_ms {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST_NOTED {
            noted.entry(session.id.clone()).or_insert(now_ms);
        }
    }

    /// Writes what was noted. It stays noted until it is written: so a refresh that reads the row meanwhile
    /// does not note it again, and nothing is lost if the store fails.
    pub(crate) async fn flush(&self, store: &dyn Store) -> store::Result<()> {
        let noted = || self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let batch: Vec<_> = noted().iter().map(|(id, at)| (id.clone(), *at)).collect();
        if batch.is_empty() {
            return Ok(());
        }
        store.record_activity(batch.clone()).await?;
        let mut noted = noted();
        for (id, _) in batch {
            noted.remove(&id);
        }
        Ok(())
    }
}
