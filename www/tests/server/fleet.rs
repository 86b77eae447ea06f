//! Sessions without a sign-in, browsers that have them, and what must hold of both afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use fiftyten::action::Notice;
use fiftyten::event::EndReason;
use fiftyten::session::Status;
use fiftyten_fleet::{Browser, Entry, Ledger, Target, What};
use fiftyten_server::store::{NewSession, SecretHash, Store};
use fiftyten_server::{SessionId, UserId};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use sha2::{Digest, Sha256};

use crate::process::Process;
use crate::world::new_session;

/// Where pages are, as every server here is told.
pub(crate) const ORIGIN: &str = "http://localhost:8080";

/// A session that was opened behind the server's back.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) id: SessionId,
    /// As the browser sends it.
    pub(crate) cookie: String,
}

/// Opens `count` sessions of one user.
pub(crate) async fn open_sessions(store: &dyn Store, user: &UserId, count: usize) -> Vec<Opened> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut opened = Vec::new();
    for _ in 0..count {
        let mut secret = [0; 32];
        TestRng::from_seed(RngAlgorithm::ChaCha, SessionId::random().as_str().as_bytes())
            .fill_bytes(&mut secret);
        let session = new_session(user, now);
        let id = session.id.clone();
        let new = NewSession {
            session,
            secret: SecretHash(Sha256::digest(secret).into()),
            credentials: 0,
            replaces: None,
        };
        assert!(store.open_session(new).await.unwrap());
        opened.push(Opened { id, cookie: format!("fiftyten={}", Base64UrlUnpadded::encode_string(&secret)) });
    }
    opened
}

/// A browser for each session, each at one of the servers; numbered in their order. They are opened one after
/// the other, `over` so long, so that the load is even from the start.
pub(crate) async fn open_browsers(
    sessions: &[Opened],
    targets: &[Target],
    over: Duration,
    ledger: &Arc<Ledger>,
) -> Vec<Browser> {
    let (begun, mut browsers) = (tokio::time::Instant::now(), Vec::new());
    for (number, session) in sessions.iter().enumerate() {
        tokio::time::sleep_until(begun + over * number as u32 / sessions.len() as u32).await;
        let target = targets[number % targets.len()].clone();
        browsers.push(Browser::open(number, target, session.cookie.clone(), Arc::clone(ledger)));
    }
    browsers
}

/// Where browsers reach a server.
pub(crate) fn target(server: &Process) -> Target {
    Target { url: format!("http://{}/auth", server.address), origin: ORIGIN.to_owned() }
}

/// How many of these browsers have a token that may be sent.
pub(crate) async fn fresh(browsers: impl IntoIterator<Item = &Browser>) -> usize {
    let mut fresh = 0;
    for browser in browsers {
        let view = browser.view().await.expect("the page runs");
        fresh += usize::from(view.status == Status::SignedIn && view.remaining.is_some());
    }
    fresh
}

/// Waits until all of them have a token that may be sent; how long that took, or none if it is not so in time.
pub(crate) async fn until_fresh(browsers: &[&Browser], patience: Duration) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if fresh(browsers.iter().copied()).await == browsers.len() {
            return Some(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

/// What a browser was told, or answered, that says its session is over, though it is not among `ended`.
pub(crate) fn false_sign_outs(ledger: &Ledger, ended: &BTreeSet<usize>) -> Vec<Entry> {
    let over = |what: &What| {
        matches!(what, What::Told(Notice::SignedOut { .. }) | What::Answered { status: Some(401), .. })
    };
    let entries = ledger.entries().into_iter();
    entries.filter(|entry| over(&entry.what) && !ended.contains(&entry.browser)).collect()
}

/// The sessions of these that a server still refreshes, or calls anything but revoked.
pub(crate) fn still_alive<'a>(
    server: &Process,
    ended: impl IntoIterator<Item = &'a Opened>,
) -> Vec<SessionId> {
    let mut client = server.client_of(ORIGIN);
    let alive = |session: &&Opened| {
        let reply = client.refresh(&session.cookie).unwrap();
        (reply.status, &reply.json()["code"]) != (401, &EndReason::SessionRevoked.as_str().into())
    };
    ended.into_iter().filter(alive).map(|session| session.id.clone()).collect()
}
