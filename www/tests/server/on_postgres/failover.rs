//! The machine of the primary is lost under load, and the standby takes over.

#![allow(clippy::print_stdout, reason = "how long it took is part of the result")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fiftyten::action::Notice;
use fiftyten::error::ErrorCode;
use fiftyten::session::Status;
use fiftyten_fleet::{Browser, Ledger, What};
use fiftyten_server::store::{PostgresStore, PostgresUrl};

use super::ok;
use crate::cluster::pair::{Pair, Replication};
use crate::fleet::{self, ORIGIN, Opened};
use crate::process::Process;
use crate::world::{EMAIL, PASSWORD};

/// Sixty seconds are six here, and fifty are four: the whole takes as long as one cycle.
const LIFETIMES: [&str; 4] = ["--token-lifetime", "6s", "--refresh-in", "4s"];
const CYCLE: Duration = Duration::from_secs(4);

/// How long the primary is gone before the standby is told to take its place.
const UNNOTICED: Duration = Duration::from_secs(2);

/// Browsers whose session stands throughout, sessions that are revoked, and browsers that sign out.
const STAY: usize = 240;
const REVOKED: usize = 150;
const LEAVE: usize = 60;

/// Three servers, on a database of a primary and its standby, and one account's sessions.
struct Site {
    pair: Pair,
    servers: Vec<Process>,
    sessions: Vec<Opened>,
    /// The session that revokes the others.
    operator: Opened,
}

impl Site {
    async fn open(replication: Replication, sessions: usize) -> Self {
        let (pair, servers, url) = tokio::task::spawn_blocking(move || {
            let pair = Pair::start(replication);
            let url = pair.database();
            ok(&["user", "add", EMAIL, "--database", &url, "--password-stdin"], &format!("{PASSWORD}\n"));
            let flags = [&LIFETIMES[..], &["--public-url", ORIGIN]].concat();
            let servers = (0..3).map(|_| Process::start(Path::new(&url), &flags)).collect();
            (pair, servers, url)
        })
        .await
        .unwrap();
        let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
        let user = fiftyten_server::store::Store::find_account(&store, EMAIL).await.unwrap().unwrap().user.id;
        let mut sessions = fleet::open_sessions(&store, &user, sessions + 1).await;
        let operator = sessions.pop().unwrap();
        Self { pair, servers, sessions, operator }
    }

    async fn browsers(&self, ledger: &Arc<Ledger>) -> Vec<Browser> {
        let targets: Vec<_> = self.servers.iter().map(fleet::target).collect();
        fleet::open_browsers(&self.sessions, &targets, CYCLE, ledger).await
    }

    /// Revokes these one after the other, at every server in turn, until each is acknowledged or `stop` says
    /// that it is enough. What was acknowledged goes to `acknowledged` as soon as it is.
    fn revoke(&self, sessions: &[Opened], stop: &AtomicBool, acknowledged: &Mutex<Vec<Opened>>) {
        let mut clients: Vec<_> = self.servers.iter().map(|server| server.client_of(ORIGIN)).collect();
        for (number, session) in sessions.iter().enumerate() {
            let path = format!("/auth/v1/sessions/{}", session.id);
            let mut turn = number;
            loop {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                turn = (turn + 1) % clients.len();
                let reply = clients[turn].call("DELETE", &path, &self.operator.cookie, "").unwrap();
                match reply.status {
                    204 => break acknowledged.lock().unwrap().push(session.clone()),
                    503 => thread::sleep(Duration::from_millis(50)),
                    _ => panic!("{} {}", reply.status, reply.body),
                }
            }
            thread::sleep(Duration::from_millis(15));
        }
    }
}

/// What becomes of the primary's machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is off, from one moment to the next (SIGKILL).
    Killed,
    /// It stands still (SIGSTOP), and is switched off before the standby takes its place.
    Frozen,
}

async fn lose_the_primary(fate: Fate) {
    let site = Arc::new(Site::open(Replication::Synchronous, STAY + REVOKED + LEAVE).await);
    let (revoked, leave) = site.sessions[STAY..].split_at(REVOKED);
    let ledger = Arc::new(Ledger::new());
    let browsers = Arc::new(site.browsers(&ledger).await);
    let staying: Vec<&Browser> = browsers[..STAY].iter().collect();
    assert!(fleet::until_fresh(&staying, Duration::from_secs(20)).await.is_some());

    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let mut work = tokio::task::JoinSet::new();
    {
        let (site, stop, acknowledged) = (Arc::clone(&site), Arc::clone(&stop), Arc::clone(&acknowledged));
        let revoked = revoked.to_vec();
        work.spawn_blocking(move || site.revoke(&revoked, &stop, &acknowledged));
    }
    {
        // Each signs out as a page does; where that fails, its user tries again.
        let (browsers, acknowledged) = (Arc::clone(&browsers), Arc::clone(&acknowledged));
        let leave = leave.to_vec();
        work.spawn(async move {
            for (browser, session) in browsers[STAY + REVOKED..].iter().zip(leave) {
                while browser.sign_out().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                acknowledged.lock().unwrap().push(session);
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        });
    }
    // Users click all the while. How many requests had a token, and how many had none.
    let asked = {
        let (browsers, stop) = (Arc::clone(&browsers), Arc::clone(&stop));
        tokio::spawn(async move {
            let (mut had, mut failed) = (0, Vec::new());
            for number in (0..STAY).cycle() {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                match browsers[number].token().await {
                    Ok(_) => had += 1,
                    Err(code) => failed.push(code),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (had, failed)
        })
    };

    let enough = |count| {
        let acknowledged = Arc::clone(&acknowledged);
        async move {
            while acknowledged.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    enough(60).await;
    let lost = Instant::now();
    let lost_at = ledger.now();
    {
        let site = Arc::clone(&site);
        let fail_over = move || {
            match fate {
                Fate::Killed => site.pair.primary.kill(),
                Fate::Frozen => site.pair.primary.freeze(),
            }
            thread::sleep(UNNOTICED);
            site.pair.fail_over();
        };
        tokio::task::spawn_blocking(fail_over).await.unwrap();
    }
    let promoted = lost.elapsed();
    let before = acknowledged.lock().unwrap().len();
    enough(before + 1).await;
    let first_write = lost.elapsed();
    work.join_all().await;
    let all_fresh = fleet::until_fresh(&staying, Duration::from_secs(40)).await;
    assert!(all_fresh.is_some(), "{} of {STAY} are fresh", fleet::fresh(staying.iter().copied()).await);
    // And they stay so for another cycle.
    tokio::time::sleep(CYCLE).await;
    stop.store(true, Ordering::Relaxed);
    let (had, failed) = asked.await.unwrap();

    let acknowledged = acknowledged.lock().unwrap().clone();
    let (refused, recovered) = recovery(&ledger, lost_at);
    println!(
        "{fate:?}: the standby was the primary after {promoted:.1?}; the first revocation or sign-out was \
         acknowledged after {first_write:.1?}, and the last of the {refused} browsers that were refused had a token \
         after {recovered:.1?}. {before} were acknowledged before, {} altogether; {had} requests had a token, {} \
         had none",
        acknowledged.len(),
        failed.len()
    );
    assert!(refused > 0, "it is noticed at all");
    assert_eq!(acknowledged.len(), REVOKED + LEAVE);
    for server in &site.servers {
        assert_eq!(fleet::still_alive(server, acknowledged.iter()), [], "acknowledged, and lost");
    }
    let ended: BTreeSet<usize> = (STAY..STAY + REVOKED + LEAVE).collect();
    let wronged = fleet::false_sign_outs(&ledger, &ended);
    assert!(wronged.is_empty(), "{wronged:?}");
    assert_eq!(STAY, fleet::fresh(staying).await);
    // A request waits ten seconds for a token, and the machine is a busy one.
    assert!(failed.len() * 50 <= had, "{failed:?}");
}

/// How many browsers were not given the token that they asked for after `lost`, and how long after it the last of
/// them had one. Of those that stay.
fn recovery(ledger: &Ledger, lost: Duration) -> (usize, Duration) {
    let mut refused = BTreeSet::new();
    let (mut waiting, mut last) = (BTreeSet::new(), Duration::ZERO);
    for entry in ledger.entries().into_iter().filter(|entry| entry.at > lost && entry.browser < STAY) {
        match entry.what {
            What::Answered { status: Some(200), .. } if waiting.remove(&entry.browser) => {
                last = entry.at - lost
            }
            What::Answered { status: Some(200), .. } => {}
            What::Answered { .. } | What::Told(Notice::Degraded { .. }) => {
                refused.insert(entry.browser);
                waiting.insert(entry.browser);
            }
            _ => {}
        }
    }
    assert!(waiting.is_empty(), "{waiting:?}");
    (refused.len(), last)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_killed_under_load_and_nothing_acknowledged_is_lost_and_nobody_is_signed_out() {
    lose_the_primary(Fate::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_froze_is_killed_before_the_standby_is_promoted_and_all_goes_on() {
    lose_the_primary(Fate::Frozen).await;
}

/// The same checks find it where the standby is not synchronous, and where somebody is signed out who should not
/// be: they can fail.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_not_synchronous_loses_revocations_and_that_is_found() {
    let site = Arc::new(Site::open(Replication::Asynchronous, 20).await);
    let ledger = Arc::new(Ledger::new());
    let browsers = site.browsers(&ledger).await;
    assert!(
        fleet::until_fresh(&browsers.iter().collect::<Vec<_>>(), Duration::from_secs(20)).await.is_some()
    );
    let lost = Arc::clone(&site);
    let acknowledged = tokio::task::spawn_blocking(move || {
        // It hears of nothing any more. The primary does not mind.
        lost.pair.standby.kill();
        let acknowledged = Mutex::new(Vec::new());
        lost.revoke(&lost.sessions[10..], &AtomicBool::new(false), &acknowledged);
        // Each browser hears of its end.
        thread::sleep(CYCLE);
        lost.pair.primary.kill();
        lost.pair.standby.go_on();
        lost.pair.standby.promote();
        acknowledged.into_inner().unwrap()
    })
    .await
    .unwrap();
    assert_eq!(acknowledged.len(), 10);
    assert_eq!(fleet::still_alive(&site.servers[0], &acknowledged).len(), 10, "they have come back");
    let revoked: BTreeSet<usize> = (10..20).collect();
    assert!(fleet::false_sign_outs(&ledger, &revoked).is_empty());
    let blamed = |but_one: &BTreeSet<usize>| {
        let entries = fleet::false_sign_outs(&ledger, but_one);
        entries.into_iter().map(|entry| entry.browser).collect::<BTreeSet<_>>()
    };
    assert_eq!(blamed(&(11..20).collect()), BTreeSet::from([10]));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_standby_the_primary_acknowledges_nothing_and_refreshes_go_on() {
    let site = Arc::new(Site::open(Replication::Synchronous, 3).await);
    let ledger = Arc::new(Ledger::new());
    let browsers = site.browsers(&ledger).await;
    assert!(
        fleet::until_fresh(&browsers.iter().collect::<Vec<_>>(), Duration::from_secs(20)).await.is_some()
    );
    let alone = Arc::clone(&site);
    tokio::task::spawn_blocking(move || {
        alone.pair.standby.kill();
        let mut client = alone.servers[0].client_of(ORIGIN);
        let path = format!("/auth/v1/sessions/{}", alone.sessions[0].id);
        let began = Instant::now();
        let refused = client.call("DELETE", &path, &alone.operator.cookie, "").unwrap();
        assert_eq!((refused.status, &refused.json()["code"]), (503, &"unavailable".into()));
        assert!(refused.head.contains("retry-after: "));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        // It is neither done nor in the way.
        for server in &alone.servers {
            assert_eq!(server.client_of(ORIGIN).refresh(&alone.sessions[0].cookie).unwrap().status, 200);
        }
    })
    .await
    .unwrap();
    // A user who signs out is told that it did not succeed, and still has the session.
    assert!(browsers[1].sign_out().await.unwrap_err().code == ErrorCode::Unavailable);
    assert_eq!(browsers[1].view().await.unwrap().status, Status::SignedIn);
    assert!(fleet::false_sign_outs(&ledger, &BTreeSet::new()).is_empty());
    let back = Arc::clone(&site);
    tokio::task::spawn_blocking(move || {
        back.pair.standby.go_on();
        back.pair.wait_for_standby(Replication::Synchronous);
        // What was refused has been done all the same, once the standby had it.
        let began = Instant::now();
        while !fleet::still_alive(&back.servers[1], &back.sessions[..1]).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10), "the commit was under way");
            thread::sleep(Duration::from_millis(20));
        }
    })
    .await
    .unwrap();
    assert_eq!(browsers[1].sign_out().await, Ok(()));
    let ended = BTreeSet::from([0, 1]);
    assert!(fleet::until_fresh(&[&browsers[2]], CYCLE * 3).await.is_some());
    assert!(fleet::false_sign_outs(&ledger, &ended).is_empty());
}
