//! The connections: a few that all reads share, and a few that writes take one at a time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed;
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, Statement};

use super::super::{Result, StoreError};
use super::busy::Busy;
use super::connector::{Connector, Links, OPEN, SUPERSEDED};
use super::failure::{Meaning, SILENT, meaning};
use super::link::Link;
use crate::random;

/// Connections that reads share, and connections for writes: ten altogether for each server, of the hundred
/// that PostgreSQL allows by default.
const READERS: usize = 4;
const WRITERS: usize = 6;

/// Reads under way at a time; more wait.
const READS: usize = 1024;

/// How long a call waits for its turn.
const WAIT: Duration = Duration::from_secs(2);

/// How long a connection that nobody used has to show that it still works.
const CHECK: Duration = Duration::from_secs(1);

/// How long the server's answer may take. It is more than the server itself allows a statement, so that it
/// strikes only where the server is silent, or waits for a standby before it acknowledges a commit.
const ANSWER: Duration = Duration::from_secs(5);

/// How often a write that came too near to another one is tried again.
const RETRIES: u32 = 6;

/// A commit was acknowledged whose wait for the standby was cut short: see [`Link::is_unreplicated`].
const UNREPLICATED: &str =
    "committed without waiting for its synchronous standby, because somebody cancelled the wait";

/// A connection out of a pool.
type Object = managed::Object<Links>;

pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A statement and its parameters.
#[derive(Clone, Copy)]
pub(super) struct Step<'a>(pub(super) &'static str, pub(super) Parameters<'a>);

pub(super) struct Pool {
    /// Each is `None` until it is first used, and after it was lost.
    shared: [Mutex<Option<Arc<Object>>>; READERS],
    turn: AtomicUsize,
    reads: Semaphore,
    readers: managed::Pool<Links>,
    writers: managed::Pool<Links>,
    connector: Arc<Connector>,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Result<Self> {
        let connector = Arc::new(connector);
        // One that was given up may still be held by a read that waits in vain on it.
        let (readers, writers) = (pool(&connector, READERS * 2)?, pool(&connector, WRITERS)?);
        let shared = std::array::from_fn(|_| Mutex::new(None));
        let (turn, reads) = (AtomicUsize::new(0), Semaphore::new(READS));
        Ok(Self { shared, turn, reads, readers, writers, connector })
    }

    /// Reads through a connection that is shared: the reads of many callers are on their way at once, one
    /// behind the other, each one round trip. For statements that are answered at once.
    ///
    /// If the connection turns out to be gone, or to be to a primary that was replaced, the read is made
    /// again on a new one.
    pub(super) async fn read(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let place = tokio::time::timeout(WAIT, self.reads.acquire()).await;
        let _place = place.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let slot = &self.shared[self.turn.fetch_add(1, Ordering::Relaxed) % READERS];
        let mut again = true;
        loop {
            let client = self.reader(slot).await?;
            match in_time(query(&client, sql, parameters)).await {
                Ok(Ok(rows)) if self.connector.is_current(&client) => return Ok(rows),
                Ok(Ok(_)) => {
                    forget(slot, &client).await;
                    if !std::mem::take(&mut again) {
                        return Err(superseded());
                    }
                }
                Ok(Err(error)) => {
                    let lost = meaning(&error) == Meaning::Lost;
                    if lost {
                        forget(slot, &client).await;
                    }
                    if !lost || !again {
                        return Err(error.into());
                    }
                    again = false;
                }
                Err(silent) => {
                    forget(slot, &client).await;
                    return Err(silent);
                }
            }
        }
    }

    /// Reads through a connection of its own: for lists, behind which no other read should wait.
    pub(super) async fn list(&self, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>> {
        let client = take(&self.writers).await?;
        self.settle(client, async |client| query(client, sql, parameters).await).await?.map_err(Into::into)
    }

    /// Runs a statement, or up to three in one transaction, and commits. How many rows the first one changed.
    ///
    /// Everything is sent before the first answer is awaited: it costs one round trip, no lock is held
    /// for longer, and what was begun is finished even if the caller goes away.
    pub(super) async fn write(
        &self,
        first: Step<'_>,
        then: &[Step<'_>],
    ) -> std::result::Result<u64, WriteError> {
        let mut attempt = 0;
        loop {
            let client = take(&self.writers).await.map_err(WriteError::Store)?;
            let written = self.settle(client, async |client| run(client, first, then).await).await;
            match written.map_err(WriteError::Store)? {
                Ok(count) => return Ok(count),
                Err(error) if meaning(&error) == Meaning::Conflict && attempt < RETRIES => {
                    attempt += 1;
                    tokio::time::sleep(Duration::from_millis(random::up_to(4 << attempt))).await;
                }
                Err(error) if meaning(&error) == Meaning::Taken => return Err(WriteError::Taken(error)),
                Err(error) => return Err(WriteError::Store(error.into())),
            }
        }
    }

    async fn reader(&self, slot: &Mutex<Option<Arc<Object>>>) -> Result<Arc<Object>> {
        let waited = tokio::time::timeout(OPEN, slot.lock()).await;
        let mut slot = waited.map_err(|_| StoreError::Unavailable(SILENT.to_owned()))?;
        if let Some(client) = slot.as_ref().filter(|client| self.is_usable(client)) {
            return Ok(Arc::clone(client));
        }
        *slot = None;
        let client = Arc::new(take(&self.readers).await?);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }

    fn is_usable(&self, link: &Link) -> bool {
        !link.is_closed() && self.connector.is_current(link)
    }

    /// Runs `job`, and puts the connection back only where it can be used again.
    async fn settle<T>(
        &self,
        client: Object,
        job: impl AsyncFnOnce(&Link) -> std::result::Result<T, Error>,
    ) -> Result<std::result::Result<T, Error>> {
        let busy = Busy::new(client, &self.connector);
        let done = in_time(job(busy.link())).await?;
        let refused = if busy.link().is_unreplicated() {
            Some(StoreError::Unavailable(UNREPLICATED.to_owned()))
        } else if !self.connector.is_current(busy.link()) {
            Some(superseded())
        } else {
            None
        };
        let is_spoilt = |error: &Error| matches!(meaning(error), Meaning::Lost | Meaning::Other);
        busy.end(refused.is_none() && !done.as_ref().err().is_some_and(is_spoilt));
        refused.map_or(Ok(done), Err)
    }
}

fn superseded() -> StoreError {
    StoreError::Unavailable(SUPERSEDED.to_owned())
}

/// Why a write was not done.
pub(super) enum WriteError {
    /// There is a row with this key already.
    Taken(Error),
    Store(StoreError),
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Taken(error) => error.into(),
            WriteError::Store(error) => error,
        }
    }
}

fn pool(connector: &Arc<Connector>, size: usize) -> Result<managed::Pool<Links>> {
    managed::Pool::builder(Links(Arc::clone(connector)))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(OPEN))
        .recycle_timeout(Some(CHECK))
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// A connection that works. Where several turn out not to, that is given up in time.
async fn take(pool: &managed::Pool<Links>) -> Result<Object> {
    let silent = |_| StoreError::Unavailable(SILENT.to_owned());
    Ok(tokio::time::timeout(WAIT + OPEN, pool.get()).await.map_err(silent)??)
}

async fn query(client: &Link, sql: &str, parameters: Parameters<'_>) -> std::result::Result<Vec<Row>, Error> {
    client.query(&client.prepare_cached(sql).await?, parameters).await
}

async fn run(client: &Link, first: Step<'_>, then: &[Step<'_>]) -> std::result::Result<u64, Error> {
    let Step(sql, parameters) = first;
    let first = client.prepare_cached(sql).await?;
    if then.is_empty() {
        return client.execute(&first, parameters).await;
    }
    debug_assert!(then.len() <= 3, "no fourth one would be run");
    let (second, third) = (prepare(client, then.first()).await?, prepare(client, then.get(1)).await?);
    let fourth = prepare(client, then.get(2)).await?;
    // They are sent in this order; after one that fails the server ignores the rest.
    let (begun, changed, second, third, fourth, committed) = tokio::join!(
        biased;
        client.batch_execute("BEGIN"),
        client.execute(&first, parameters),
        execute(client, second),
        execute(client, third),
        execute(client, fourth),
        client.batch_execute("COMMIT"),
    );
    begun?;
    let changed = changed?;
    second.and(third).and(fourth).and(committed.map(|()| changed))
}

type Prepared<'a> = Option<(Statement, Parameters<'a>)>;

async fn prepare<'a>(client: &Link, step: Option<&Step<'a>>) -> std::result::Result<Prepared<'a>, Error> {
    Ok(match step {
        Some(Step(sql, parameters)) => Some((client.prepare_cached(sql).await?, *parameters)),
        None => None,
    })
}

async fn execute(client: &Link, prepared: Prepared<'_>) -> std::result::Result<u64, Error> {
    match prepared {
        Some((statement, parameters)) => client.execute(&statement, parameters).await,
        None => Ok(0),
    }
}

async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T> {
    let silent = |_| StoreError::Unavailable(SILENT.to_owned());
    tokio::time::timeout(ANSWER, answer).await.map_err(silent)
}

async fn forget(slot: &Mutex<Option<Arc<Object>>>, lost: &Arc<Object>) {
    let mut slot = slot.lock().await;
    if slot.as_ref().is_some_and(|client| Arc::ptr_eq(client, lost)) {
        *slot = None;
    }
}
