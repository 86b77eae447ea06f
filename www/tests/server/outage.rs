//! The store is gone for a while, and a fleet of browsers lives through it: nobody is signed out, and they do not
//! all come back at once.

#![allow(clippy::print_stdout, reason = "the load is part of the result")]

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fiftyten_fleet::{Browser, Ledger, Target, What, chart};
use fiftyten_server::store::{SqliteStore, Store};
use tempfile::TempDir;

use crate::fleet::{self, ORIGIN, Opened};
use crate::process::{PATIENCE, Process, run};
use crate::world::{EMAIL, PASSWORD};

/// What the load is averaged over, in s: a busy machine stands still now and then, and makes up for it.
const WINDOW: usize = 3;

/// A token of 60 s renewed at 50, and an outage of 60 s; or all of that in a fifth of the time. A token ends with a
/// whole second, so that it lives half a second less on average: in the short form the renewal is earlier by that,
/// or a quarter of the slack would be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) browsers: usize,
    lifetime: Duration,
    cycle: Duration,
    outage: Duration,
    /// How long it is watched after the outage.
    watched: Duration,
}

impl Plan {
    pub(crate) fn from_environment() -> Self {
        let seconds = Duration::from_secs;
        if std::env::var_os("FIFTYTEN_LONG").is_some() {
            Self {
                browsers: 5_000,
                lifetime: seconds(60),
                cycle: seconds(50),
                outage: seconds(60),
                watched: seconds(110),
            }
        } else {
            let cycle = Duration::from_millis(9_500);
            Self { browsers: 1_000, lifetime: seconds(12), cycle, outage: seconds(12), watched: seconds(13) }
        }
    }

    /// For the server.
    pub(crate) fn flags(&self) -> Vec<String> {
        let time = |time: Duration| format!("{}ms", time.as_millis());
        let (lifetime, cycle) = (time(self.lifetime), time(self.cycle));
        ["--public-url", ORIGIN, "--token-lifetime", &lifetime, "--refresh-in", &cycle]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Lives through it: `stop` takes the store away, `go_on` brings it back.
pub(crate) async fn live_through(
    name: &str,
    plan: Plan,
    target: Target,
    sessions: &[Opened],
    stop: impl FnOnce() + Send + 'static,
    go_on: impl FnOnce() + Send + 'static,
) {
    let ledger = Arc::new(Ledger::new());
    let browsers = fleet::open_browsers(sessions, &[target], plan.cycle, &ledger).await;
    tokio::time::sleep(plan.cycle).await;
    let all: Vec<&Browser> = browsers.iter().collect();
    assert!(fleet::until_fresh(&all, PATIENCE).await.is_some());

    let from = ledger.now();
    tokio::task::spawn_blocking(stop).await.unwrap();
    tokio::time::sleep(plan.outage).await;
    tokio::task::spawn_blocking(go_on).await.unwrap();
    let back = ledger.now();
    tokio::time::sleep(plan.lifetime).await;
    let fresh = fleet::fresh(browsers.iter()).await;
    // In the long form the next cycle too: it is not a wave either.
    tokio::time::sleep(plan.watched.saturating_sub(plan.lifetime)).await;

    let entries = ledger.entries();
    let sent: Vec<Duration> =
        entries.iter().filter(|entry| matches!(entry.what, What::Sent(_))).map(|entry| entry.at).collect();
    let steady = sent.iter().filter(|at| (from - plan.cycle..from).contains(*at)).count() as f64
        / plan.cycle.as_secs_f64();
    let mut after = vec![0_u64; (ledger.now() - back).as_secs() as usize];
    for at in sent.iter().filter(|at| **at >= back) {
        if let Some(second) = after.get_mut((*at - back).as_secs() as usize) {
            *second += 1;
        }
    }
    let busiest = after.iter().copied().max().unwrap_or_default();
    let sums = after.windows(WINDOW).map(|window| window.iter().sum::<u64>());
    let peak = sums.max().unwrap() as f64 / WINDOW as f64;
    println!(
        "{name}: {} browsers, {steady:.0} refreshes a second before the outage. After it {busiest} in the busiest \
         second; {peak:.0} a second in the busiest {} s, {:.2} times as many as before. {fresh} had a token \
         {:?} after it\n{}",
        plan.browsers,
        WINDOW,
        peak / steady,
        plan.lifetime,
        chart::text(&ledger.load(), |second| {
            let at = Duration::from_secs(second as u64);
            if at < from {
                ""
            } else if at < back {
                "out"
            } else {
                "back"
            }
        })
    );
    let wronged = fleet::false_sign_outs(&ledger, &BTreeSet::new());
    assert!(wronged.is_empty(), "{wronged:?}");
    assert!(fresh * 100 >= plan.browsers * 99, "{fresh} of {} have a token", plan.browsers);
    assert!(peak <= steady * 2.0, "{peak:.0} a second, and {steady:.0} before");
}

/// A server on a SQLite file of its own.
struct Site {
    folder: TempDir,
    sessions: Vec<Opened>,
    flags: Vec<String>,
}

impl Site {
    async fn new(plan: Plan) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("test.db");
        let path = file.to_str().unwrap();
        let added =
            run(&["user", "add", EMAIL, "--database", path, "--password-stdin"], &format!("{PASSWORD}\n"));
        assert!(added.status.success());
        let store = SqliteStore::open(&file).unwrap();
        let user = store.find_account(EMAIL).await.unwrap().unwrap().user.id;
        let sessions = fleet::open_sessions(&store, &user, plan.browsers).await;
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let flags = [vec!["--listen".to_owned(), address], plan.flags()].concat();
        Self { folder, sessions, flags }
    }

    fn start(&self) -> Process {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        Process::start_at(&self.folder.path().join("test.db"), &flags)
    }
}

async fn killed(plan: Plan) {
    let site = Arc::new(Site::new(plan).await);
    let server = site.start();
    let (target, revived) = (fleet::target(&server), Arc::new(Mutex::new(None)));
    let (again, keep) = (Arc::clone(&site), Arc::clone(&revived));
    let go_on = move || *keep.lock().unwrap() = Some(again.start());
    live_through("SQLite, killed", plan, target, &site.sessions, move || server.kill(), go_on).await;
}

/// The network takes every connection, and nothing is answered.
async fn frozen(plan: Plan) {
    let site = Site::new(plan).await;
    let server = Arc::new(site.start());
    let (stopped, goes_on) = (Arc::clone(&server), Arc::clone(&server));
    let target = fleet::target(&server);
    let (stop, go_on) = (move || stopped.signal("STOP"), move || goes_on.signal("CONT"));
    live_through("SQLite, frozen", plan, target, &site.sessions, stop, go_on).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_or_freezes_and_comes_back_is_not_stormed_and_nobody_is_signed_out() {
    let plan = Plan::from_environment();
    // At the same time: most of it is waiting.
    tokio::join!(killed(plan), frozen(plan));
}
