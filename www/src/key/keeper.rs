//! What a running server knows of the keys, and how that stays true.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turn, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{KeySet, KeySetVersion, Store, StoreError};

use super::STALE_AFTER_MS;
use super::change::{carry_out, not_sealed};
use super::jwks::Published;
use super::master::MasterKeys;
use super::plan::Plan;
use super::ring::{KeyError, KeyRing};

/// Changes at a time: of two servers that see the same is due, one makes it and the other looks again.
const ATTEMPTS: u32 = 4;

/// After a read that failed, requests are answered without another for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// This machine's clock may differ from the database's by so much, in ms. Whoever dates tokens by a clock that is
/// further ahead makes them live longer than was promised.
const TOLERANCE_MS: u64 = 1_000;

/// Keeps the keys of a running server up to date.
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    plan: Plan,
    masters: Arc<MasterKeys>,
    known: watch::Sender<Known>,
    /// Held while the store is read, so that there is one read at a time and no old one wins; and how the last
    /// one failed.
    failed: Turn<Option<Failed>>,
    /// What was last complained about, so that it is said once.
    complaint: Mutex<String>,
}

/// A read that failed.
#[derive(Clone, Copy, Debug)]
struct Failed {
    at: Instant,
    /// As in [`KeyError::OtherTime`], where that is why.
    ahead_ms: Option<i64>,
}

/// What was read, and when.
#[derive(Clone, Debug)]
struct Known {
    ring: Arc<KeyRing>,
    version: KeySetVersion,
    read_at: Moment,
    /// Whether the database's clock was compared with this machine's.
    compared: bool,
}

/// A moment, by the server's clock and by one that nobody sets.
#[derive(Clone, Copy, Debug)]
struct Moment {
    wall_ms: u64,
    steady: Instant,
}

impl Moment {
    fn now(clock: &dyn Clock) -> Self {
        Self { wall_ms: clock.now_ms(), steady: Instant::now() }
    }

    /// The time since `earlier`, in ms: the longer of what the two clocks say. If the server's clock was set
    /// back, nobody knows.
    fn since(self, earlier: Self) -> u64 {
        let wall_ms = self.wall_ms.checked_sub(earlier.wall_ms).unwrap_or(u64::MAX);
        wall_ms.max(self.steady_ms_since(earlier))
    }

    /// Whether the server's clock was set since `earlier`, by more than it may be wrong.
    fn was_set_since(self, earlier: Self) -> bool {
        let wall_ms = self.wall_ms.abs_diff(earlier.wall_ms);
        wall_ms.abs_diff(self.steady_ms_since(earlier)) > TOLERANCE_MS
    }

    fn steady_ms_since(self, earlier: Self) -> u64 {
        self.steady.duration_since(earlier.steady).as_millis() as u64
    }
}

/// Whether a read that began and ended at these times by this machine's clock, and found the database's at
/// `database_ms`, is one between two clocks that agree.
fn compare(began_ms: u64, ended_ms: u64, database_ms: u64) -> Result<(), KeyError> {
    let ahead_ms = began_ms as i64 - database_ms as i64;
    let behind_ms = database_ms as i64 - ended_ms as i64;
    match ahead_ms.max(behind_ms) > TOLERANCE_MS as i64 {
        true if ahead_ms > behind_ms => Err(KeyError::OtherTime(ahead_ms)),
        true => Err(KeyError::OtherTime(-behind_ms)),
        false => Ok(()),
    }
}

impl Keeper {
    /// Reads the keys, and makes the first two where there are none.
    pub(crate) async fn start(
        config: &Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        Self::start_with(Plan::new(config), &config.master_keys, store, clock).await
    }

    pub(super) async fn start_with(
        plan: Plan,
        masters: &Arc<MasterKeys>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let mut set = store.read_keys().await?;
        if set.keys.is_empty() {
            // This machine's clock has not been compared with the database's yet.
            let now_ms = set.clock_ms.filter(|_| clock.is_real()).unwrap_or_else(|| clock.now_ms());
            let first = carry_out(Vec::new(), &plan.due(&[], now_ms), &plan, masters, now_ms)?;
            // If another server was faster, its keys are there now.
            store.swap_keys(&set.version, first).await?;
        }
        let read_at = Moment::now(&*clock);
        set = store.read_keys().await?;
        let ring = Arc::new(KeyRing::read(&set.keys, masters)?);
        let open = not_sealed(&set.keys, masters);
        if masters.is_empty() {
            tracing::warn!(
                "THE SIGNING KEYS LIE IN THE DATABASE UNENCRYPTED: whoever reads it, or a backup of it, can make \
                 tokens for every user. Make a master key (openssl rand -hex 32) and give it with \
                 FIFTYTEN_MASTER_KEY or master_key_file"
            );
        } else if open > 0 {
            tracing::warn!(
                keys = open,
                "not all signing keys are sealed under the first master key: once every server has it, run \
                 fiftyten-server keys seal"
            );
        }
        let (known, _) = watch::channel(Known { ring, version: set.version, read_at, compared: false });
        let (masters, failed) = (Arc::clone(masters), Turn::new(None));
        let keeper =
            Self { store, clock, plan, masters, known, failed, complaint: Mutex::new(String::new()) };
        if set.clock_ms.is_some() {
            // It starts with a clock that is wrong, so that it is there when the clock is right.
            keeper.look_after_and_tell().await;
        }
        Ok(keeper)
    }

    /// The keys as they were last read, however long ago.
    pub(crate) fn known(&self) -> Arc<KeyRing> {
        Arc::clone(&self.known.borrow().ring)
    }

    /// The keys to sign with and to publish: read now if that is too long ago.
    ///
    /// # Errors
    ///
    /// They are too old to be used, and cannot be read.
    pub(crate) async fn fresh(&self) -> Result<Arc<KeyRing>, KeyError> {
        if let Some(ring) = self.not_stale() {
            return Ok(ring);
        }
        let mut failed = self.failed.lock().await;
        if let Some(ring) = self.not_stale() {
            return Ok(ring); // who was waited for has read them
        }
        if let Some(Failed { ahead_ms, .. }) = failed.filter(|failed| failed.at.elapsed() < PAUSE) {
            let why = "the signing keys could not be read a moment ago".to_owned();
            return Err(ahead_ms.map_or_else(|| StoreError::Unavailable(why).into(), KeyError::OtherTime));
        }
        self.read(&mut failed).await?;
        Ok(self.known())
    }

    /// Reads the keys, and makes the changes that are due.
    ///
    /// # Errors
    ///
    /// The keys cannot be read, or a change not be made. The next time it is tried again.
    pub(crate) async fn look_after(&self) -> Result<(), KeyError> {
        let mut failed = self.failed.lock().await;
        for _ in 0..ATTEMPTS {
            let set = self.read(&mut failed).await?;
            let now_ms = self.clock.now_ms();
            let changes = self.plan.due(&set.keys, now_ms);
            if changes.is_empty() {
                break;
            }
            let keys = carry_out(set.keys, &changes, &self.plan, &self.masters, now_ms)?;
            if self.store.swap_keys(&set.version, keys).await? {
                tracing::info!(?changes, "changed the signing keys, as it was due");
            }
        }
        Ok(())
    }

    /// The same, with what goes wrong logged, once.
    pub(crate) async fn look_after_and_tell(&self) {
        let complaint = match self.look_after().await {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        let mut last = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != complaint && !complaint.is_empty() {
            tracing::error!(error = complaint, "the signing keys could not be looked after: trying again");
        }
        *last = complaint;
    }

    /// What is published, each time it has changed.
    pub(crate) fn follow(&self) -> Follow {
        Follow(self.known.subscribe())
    }

    fn not_stale(&self) -> Option<Arc<KeyRing>> {
        let (known, now) = (self.known.borrow(), Moment::now(&*self.clock));
        let is_stale = now.since(known.read_at) >= STALE_AFTER_MS;
        let was_set = known.compared && now.was_set_since(known.read_at);
        (!is_stale && !was_set).then(|| Arc::clone(&known.ring))
    }

    async fn read(&self, failed: &mut Option<Failed>) -> Result<KeySet, KeyError> {
        let read = self.read_now().await;
        *failed = read.as_ref().err().map(|error| Failed {
            at: Instant::now(),
            ahead_ms: match error {
                KeyError::OtherTime(ahead_ms) => Some(*ahead_ms),
                _ => None,
            },
        });
        read
    }

    async fn read_now(&self) -> Result<KeySet, KeyError> {
        let read_at = Moment::now(&*self.clock);
        let set = self.store.read_keys().await?;
        let database_ms = set.clock_ms.filter(|_| self.clock.is_real());
        let compared = database_ms.is_some();
        if let Some(database_ms) = database_ms {
            if Moment::now(&*self.clock).steady_ms_since(read_at) > TOLERANCE_MS {
                // What it said may be as old as that.
                let why = "it answers too slowly to compare its clock with this machine's".to_owned();
                return Err(StoreError::Unavailable(why).into());
            }
            let agree = compare(read_at.wall_ms, self.clock.now_ms(), database_ms);
            if agree.is_err() {
                // What was read before is not to be used either.
                self.known.send_if_modified(|known| {
                    known.compared = true;
                    known.read_at = Moment { wall_ms: 0, ..read_at };
                    false
                });
            }
            agree?;
        }
        let ring = if self.known.borrow().version == set.version {
            self.known()
        } else {
            Arc::new(KeyRing::read(&set.keys, &self.masters)?)
        };
        let version = set.version.clone();
        let is_new = self.known.send_if_modified(|known| {
            let is_new = known.version != version;
            *known = Known { ring, version, read_at, compared };
            is_new
        });
        if is_new {
            tracing::info!(
                current = self.known().kid(),
                keys = set.keys.len(),
                "the signing keys have changed"
            );
        }
        Ok(set)
    }
}

/// The published keys, each time they have changed.
#[derive(Debug)]
pub struct Follow(watch::Receiver<Known>);

impl Follow {
    /// Waits until others are published. `None` once the server is gone.
    pub async fn changed(&mut self) -> Option<Published> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().ring.published().clone())
    }
}
