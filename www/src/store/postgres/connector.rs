//! Finding the primary among the hosts of a URL, and telling it from one that was replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::SILENT;
use super::link::Link;
use super::url::PostgresUrl;

/// How long making a connection may take altogether: name, TCP, TLS, password.
pub(super) const OPEN: Duration = Duration::from_secs(5);

/// A host that has not answered by then is not waited for alone: the next is asked too. The "Connection
/// Attempt Delay" of RFC 8305 section 5.
const HEAD_START: Duration = Duration::from_millis(250);

/// What a primary is told that was replaced by another.
pub(super) const SUPERSEDED: &str = "is an old primary, which another has replaced: it has to stay off, or follow \
                                     the new one. If it is to be used all the same, start this server anew";

/// Makes connections to whichever host is the primary.
pub(super) struct Connector {
    /// Each host's configuration, and how it is shown.
    hosts: Vec<(String, Config)>,
    tls: MakeRustlsConnect,
    /// The host that was the primary when it was last looked for: it is asked first.
    first: AtomicUsize,
    /// The highest timeline that was met. Who is on a lower one was replaced.
    newest: AtomicU32,
}

impl Connector {
    pub(super) fn new(url: &PostgresUrl, tls: MakeRustlsConnect) -> Self {
        Self { hosts: url.hosts(), tls, first: AtomicUsize::new(0), newest: AtomicU32::new(0) }
    }

    /// A connection to the first host that answers and can be written to. One line if there is none.
    ///
    /// A host that is silent holds nothing up: that is what a machine which has frozen, or was cut off from
    /// the network, looks like.
    pub(super) async fn connect(&self) -> Result<Link, String> {
        tokio::time::timeout(OPEN, self.find()).await.map_err(|_| SILENT.to_owned())?
    }

    async fn find(&self) -> Result<Link, String> {
        let (count, first) = (self.hosts.len(), self.first.load(Ordering::Relaxed));
        let mut waiting = (0..count).map(|number| (first + number) % count);
        let (mut attempts, mut failures) = (JoinSet::new(), Vec::new());
        loop {
            let more = match waiting.next() {
                Some(place) => {
                    let (config, tls) = (self.hosts[place].1.clone(), self.tls.clone());
                    attempts.spawn(async move { (place, Link::make(config, tls).await) });
                    true
                }
                None => false,
            };
            let ended = tokio::select! {
                ended = attempts.join_next() => ended,
                () = sleep(HEAD_START), if more => continue,
            };
            let Some(ended) = ended else { return Err(self.summary(failures)) };
            let (place, made) = ended.map_err(|error| error.to_string())?;
            match made.and_then(|link| self.admit(link)) {
                Ok(link) => {
                    self.first.store(place, Ordering::Relaxed);
                    return Ok(link);
                }
                Err(why) => failures.push((place, why)),
            }
        }
    }

    /// Turns away a primary that was replaced.
    fn admit(&self, link: Link) -> Result<Link, String> {
        let Some(timeline) = link.timeline else { return Ok(link) };
        let before = self.newest.fetch_max(timeline, Ordering::AcqRel);
        if before != 0 && before < timeline {
            tracing::warn!(
                before,
                timeline,
                "PostgreSQL has a new primary: connections to the old one are dropped"
            );
        }
        if timeline < before { Err(SUPERSEDED.to_owned()) } else { Ok(link) }
    }

    /// Whether nothing has replaced the primary at the other end, for all that is known here.
    pub(super) fn is_current(&self, link: &Link) -> bool {
        link.timeline.is_none_or(|timeline| timeline >= self.newest.load(Ordering::Acquire))
    }

    fn summary(&self, mut failures: Vec<(usize, String)>) -> String {
        failures.sort();
        match &failures[..] {
            [(_, why)] => why.clone(),
            several => {
                let said = several.iter().map(|(place, why)| format!("{}: {why}", self.hosts[*place].0));
                said.collect::<Vec<_>>().join("; ")
            }
        }
    }
}

/// What the pools manage.
pub(super) struct Links(pub(super) Arc<Connector>);

impl managed::Manager for Links {
    type Type = Link;
    type Error = String;

    async fn create(&self) -> Result<Link, String> {
        self.0.connect().await
    }

    /// A connection that died while nobody used it is found out before anything is written to it.
    async fn recycle(&self, link: &mut Link, _: &Metrics) -> RecycleResult<String> {
        if link.is_closed() || !self.0.is_current(link) {
            return Err(RecycleError::message("the connection is gone"));
        }
        let alive = link.simple_query("").await;
        alive.map(drop).map_err(|error| RecycleError::Backend(error.to_string()))
    }
}
