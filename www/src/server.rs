//! A running server: what its calls share, and what it does between them.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use fiftyten::protocol::{Code, Reason};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::activity::Activity;
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::connection::{self, Limits};
use crate::cookie::CookieJar;
use crate::feed::Feed;
use crate::key::{self, Follow, Keeper, KeyError, KeyRing, Published};
use crate::limit::Limit;
use crate::origin::OriginPolicy;
use crate::password::{HashError, Passwords};
use crate::problem::Failure;
use crate::random::{self, SessionId};
use crate::route::{self, admin::Guard};
use crate::store::{Counted, Store, StoreError};
use crate::token::Minter;

/// Attempts to sign in to one account at once, and the ms after which there is one more. Attempts that
/// succeed do not count.
const ACCOUNT_BURST: u32 = 10;
const ACCOUNT_REFILL_MS: u32 = 30_000;

/// The same for one address: wider, because a whole office may share it.
const ADDRESS_BURST: u32 = 50;
const ADDRESS_REFILL_MS: u32 = 2_000;

/// Connections to the admin listener at a time: a backend needs one for its calls and one for the feed.
const ADMIN_CONNECTIONS: usize = 1_024;

/// How often sessions whose time is over are forgotten, and how long after their absolute end.
const PRUNE_EVERY: Duration = Duration::from_secs(10 * 60);
const PRUNE_AFTER_MS: u64 = 24 * 60 * 60 * 1000;

/// How long after they expired tickets that nobody used are forgotten: they name users.
const TICKETS_AFTER_MS: u64 = 60 * 1000;

/// The refresh server. It does its background work until it is closed or dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    housekeeping: JoinHandle<()>,
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// A setting cannot be used.
    Config(ConfigError),
    /// The store or the keys in it cannot be used. Nothing has been changed.
    Keys(KeyError),
    /// There is not enough memory to hash a password.
    Hash(HashError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Keys(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// What the calls share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) store: Counted,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Keeper,
    pub(crate) minter: Minter,
    pub(crate) origins: OriginPolicy,
    pub(crate) cookies: CookieJar,
    pub(crate) passwords: Passwords,
    /// By SHA-256 of the address, so that a key's size is bounded too.
    pub(crate) account_limit: Limit<[u8; 32]>,
    pub(crate) address_limit: Limit<IpAddr>,
    pub(crate) activity: Activity,
    pub(crate) refreshes: Refreshes,
    pub(crate) guard: Guard,
    pub(crate) feed: Arc<Feed>,
    /// It is said once, not at every sign-in.
    pub(crate) warned_of_proxy: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether this machine's clock is known to be wrong. What is dated by it would then end at another time: an
    /// end would not be told to the feed's followers.
    pub(crate) async fn check_clock(&self) -> Result<(), KeyError> {
        match self.keys.fresh().await {
            Err(error @ KeyError::OtherTime(_)) => Err(error),
            _ => Ok(()),
        }
    }

    /// The keys, for a request that was received at `received_ms`: by a clock that is right, and was right then.
    pub(crate) async fn keys_since(&self, received_ms: u64) -> Result<Arc<KeyRing>, Failure> {
        let keys = self.keys.fresh().await?;
        if self.clock.now_ms() < received_ms {
            let detail = "the clock of this server was just set: try again";
            return Err(Failure::new(Code::Unavailable).detail(detail));
        }
        Ok(keys)
    }

    /// Ends a session of any user. `false` if there is no such one.
    pub(crate) async fn end_session(&self, id: &SessionId) -> Result<bool, KeyError> {
        self.check_clock().await?;
        Ok(self.store.end_session(id, None, self.clock.now_ms()).await?)
    }
}

/// Counts of what a server has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Refreshes that were answered with a token, by reason.
    pub refreshes: Vec<(Reason, u64)>,
    /// Times the store was read, by the revocation feed too while somebody follows it. (How the server keeps its
    /// own signing keys is not counted, here and below.)
    pub store_reads: u64,
    /// Times the store was written.
    pub store_writes: u64,
    /// Passwords that were hashed to check a sign-in.
    pub password_hashes: u64,
}

/// Refreshes answered with a token, in the order of [`Reason::ALL`].
#[derive(Debug, Default)]
pub(crate) struct Refreshes([AtomicU64; Reason::ALL.len()]);

impl Refreshes {
    pub(crate) fn count(&self, reason: Reason) {
        for (counter, of) in self.0.iter().zip(Reason::ALL) {
            counter.fetch_add(u64::from(of == reason), Ordering::Relaxed);
        }
    }
}

impl Server {
    /// Checks the configuration, reads the keys (and makes them in an empty store), and begins the
    /// background work: writing activity, forgetting old sessions, looking after the keys.
    ///
    /// # Errors
    ///
    /// A setting that cannot be used, or a store that fails.
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let keys = Keeper::start(&config, Arc::clone(&store), Arc::clone(&clock)).await;
        let keys = keys.map_err(StartError::Keys)?;
        let store = Counted::new(store);
        let shared = Arc::new(Shared {
            minter: Minter::new(&config),
            origins: OriginPolicy::new(&config),
            cookies: CookieJar::new(&config),
            passwords: Passwords::new(config.sign_in_concurrency).map_err(StartError::Hash)?,
            account_limit: Limit::new(ACCOUNT_BURST, ACCOUNT_REFILL_MS),
            address_limit: Limit::new(ADDRESS_BURST, ADDRESS_REFILL_MS),
            activity: Activity::new(&config),
            refreshes: Refreshes::default(),
            guard: Guard::new(),
            feed: Arc::new(Feed::new(&config)),
            warned_of_proxy: AtomicBool::new(false),
            config,
            store,
            clock,
            keys,
        });
        let (stop, stopped) = watch::channel(false);
        let (house, keys) = (Arc::clone(&shared), keep_keys(Arc::clone(&shared), stopped.clone()));
        let feed = keep_feed(Arc::clone(&shared), stopped.clone());
        let housekeeping = tokio::spawn(async {
            // None waits for another, however long the store takes.
            tokio::join!(keep_house(house, stopped), keys, feed);
        });
        Ok(Self { shared, stop, housekeeping })
    }

    /// The server's calls: those of the protocol under the base path, `/livez` and `/readyz` at the root.
    /// It can be merged into an app's own router.
    ///
    /// Attempts to sign in are limited by the peer's address, which it takes from axum's `ConnectInfo`; where
    /// the requests carry none, all peers share one limit. [`connection::serve`] sees to it.
    pub fn router(&self) -> Router {
        route::router(&self.shared)
    }

    /// The calls of the app's own servers, each with a [`credential`](crate::credential): admin calls and the
    /// revocation feed. They belong on a listener of their own that no browser reaches, and there at the root.
    pub fn admin_router(&self) -> Router {
        route::admin::router(&self.shared)
    }

    /// Answers the calls of the app's own servers until `shutdown` is ready, and finishes those that have
    /// begun. [`serve`](Self::serve) knows nothing of them.
    ///
    /// # Errors
    ///
    /// The listener's.
    pub fn serve_admin<F: Future<Output = ()>>(
        &self,
        listener: TcpListener,
        shutdown: F,
    ) -> impl Future<Output = io::Result<()>> + use<F> {
        let limits = Limits { connections: ADMIN_CONNECTIONS, ..Limits::default() };
        let (router, feed) = (self.admin_router(), Arc::clone(&self.shared.feed));
        connection::serve(listener, router, limits, async move {
            shutdown.await;
            // Its streams would never finish by themselves.
            feed.close();
        })
    }

    /// Answers requests until `shutdown` is ready, finishes those that have begun, and closes.
    ///
    /// # Errors
    ///
    /// The listener's.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let router = route::standalone(&self.shared);
        let limits = Limits { connections: self.shared.config.max_connections, ..Limits::default() };
        connection::serve(listener, router, limits, shutdown).await?;
        self.close().await;
        Ok(())
    }

    /// Ends the background work, and writes what is still to be written.
    pub async fn close(self) {
        // The receiver lives as long as the task.
        let _ = self.stop.send(true);
        if let Err(error) = self.housekeeping.await {
            tracing::error!(%error, "the background work ended early");
        }
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The public keys, as it last read them. They change: a verifier in the same process
    /// [`follow`](Self::follow_keys)s them.
    pub fn published_keys(&self) -> Published {
        self.shared.keys.known().published().clone()
    }

    /// The public keys each time they have changed, for a verifier in the same process.
    pub fn follow_keys(&self) -> Follow {
        self.shared.keys.follow()
    }

    /// Reads the signing keys and makes the changes that are due. The server does so by itself every 10 s.
    ///
    /// # Errors
    ///
    /// The store's; or a key is sealed under a master key that is not here.
    pub async fn look_after_keys(&self) -> Result<(), KeyError> {
        self.shared.keys.look_after().await
    }

    /// The store, with its accesses counted.
    pub fn store(&self) -> &Counted {
        &self.shared.store
    }

    /// Ends a session of any user, durably before it returns. `false` if there is no such session.
    ///
    /// # Errors
    ///
    /// The store's: whether the session was ended is then not known.
    pub async fn end_session(&self, id: &SessionId) -> Result<bool, StoreError> {
        self.shared.end_session(id).await.map_err(|error| match error {
            KeyError::Store(error) => error,
            error => StoreError::Unavailable(error.to_string()),
        })
    }

    /// What it has done since it started.
    pub fn stats(&self) -> Stats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Refreshes(refreshes) = &self.shared.refreshes;
        Stats {
            refreshes: Reason::ALL.into_iter().zip(refreshes.iter().map(load)).collect(),
            store_reads: self.shared.store.reads(),
            store_writes: self.shared.store.writes(),
            password_hashes: self.shared.passwords.computed(),
        }
    }
}

async fn keep_house(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut flush = tokio::time::interval(shared.activity.flush_every());
    let mut prune = tokio::time::interval_at(Instant::now() + PRUNE_EVERY, PRUNE_EVERY);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    prune.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Told to stop, or the server was dropped.
            _ = stopped.changed() => break,
            _ = flush.tick() => write_activity(&shared).await,
            _ = prune.tick() => {
                forget_sessions(&shared).await;
                forget_tickets(&shared).await;
            }
        }
    }
    write_activity(&shared).await;
}

async fn keep_keys(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    // Servers that were started together do not read together.
    let first = Duration::from_millis(random::up_to(key::READ_EVERY_MS));
    let mut look =
        tokio::time::interval_at(Instant::now() + first, Duration::from_millis(key::READ_EVERY_MS));
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            _ = look.tick() => shared.keys.look_after_and_tell().await,
        }
    }
}

async fn keep_feed(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.changed() => {}
        () = shared.feed.run(&shared.store, &*shared.clock) => {}
    }
}

async fn write_activity(shared: &Shared) {
    if let Err(error) = shared.activity.flush(&shared.store).await {
        tracing::warn!(%error, "activity could not be written: it will be tried again");
    }
}

async fn forget_sessions(shared: &Shared) {
    if shared.keys.fresh().await.is_err() {
        return; // the clock may be wrong, and with it whose time is over
    }
    let before = shared.clock.now_ms().saturating_sub(PRUNE_AFTER_MS);
    match shared.store.prune_sessions(before).await {
        Ok(0) => {}
        Ok(sessions) => tracing::info!(sessions, "sessions whose time is long over were forgotten"),
        Err(error) => tracing::warn!(%error, "old sessions could not be forgotten: it will be tried again"),
    }
}

async fn forget_tickets(shared: &Shared) {
    if shared.keys.fresh().await.is_err() {
        return; // the clock may be wrong
    }
    // Whatever another server's clock says, nobody takes them any more.
    let before = shared.clock.now_ms().saturating_sub(TICKETS_AFTER_MS);
    if let Err(error) = shared.store.prune_tickets(before).await {
        tracing::warn!(%error, "old tickets could not be forgotten: it will be tried again");
    }
}
