//! The revocation feed, as whoever follows it reads it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::StatusCode;
use fiftyten_server::clock::{Clock, ManualClock};
use fiftyten_server::credential::{self, Scope};
use fiftyten_server::store::{NewSession, SecretHash, SqliteStore, Store};
use fiftyten_server::{Config, Secret, Server, SessionId, UserId};
use http_body_util::BodyExt;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::world::{Fault, NOW, SECOND, World, bare, delete, new_session};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream of events.
struct Events {
    body: Body,
    text: String,
}

impl Events {
    async fn open(server: &Server, credential: &str) -> Self {
        let request = bare("GET", "/v1/revocations").with("authorization", credential).send();
        let response = server.admin_router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut events = Self { body: response.into_body(), text: String::new() };
        assert_eq!(
            events.next().await.unwrap(),
            ("start".to_owned(), json!({ "token_lifetime_ms": 60_000 }))
        );
        events
    }

    /// Name and data; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                    let event = (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap());
                    self.text = rest.to_owned();
                    return Some(event);
                }
                let bytes = self.body.frame().await?.unwrap().into_data().unwrap();
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        })
        .await
        .expect("something happens")
    }

    /// The sessions that are told before the next heartbeat.
    async fn sessions(&mut self) -> BTreeSet<String> {
        let mut sessions = BTreeSet::new();
        loop {
            let (name, data) = self.next().await.expect("it goes on");
            if name == "heartbeat" {
                return sessions;
            }
            assert_eq!(name, "ended");
            let told = data["sessions"].as_array().unwrap();
            assert!((1..=200).contains(&told.len()));
            sessions.extend(told.iter().map(|id| id.as_str().unwrap().to_owned()));
        }
    }

    /// Reads on until this session is told; how long it took.
    async fn until(&mut self, session: &str) -> Duration {
        let began = Instant::now();
        while !self.sessions().await.contains(session) {
            assert!(began.elapsed() < PATIENCE, "{session} is never told");
        }
        began.elapsed()
    }
}

fn one(session: &str) -> BTreeSet<String> {
    BTreeSet::from([session.to_owned()])
}

#[tokio::test]
async fn on_connecting_it_tells_what_ended_within_a_tokens_life_and_then_what_ends() {
    let world = World::new().await;
    let feed = world.credential(Scope::Feed).await;
    let (_, old) = world.sign_in().await;
    let (_, late) = world.sign_in().await;
    let id = |text: &str| SessionId::parse(text).unwrap();
    world.server.end_session(&id(&old.session.id)).await.unwrap();
    world.clock.advance(75 * SECOND);
    world.server.end_session(&id(&late.session.id)).await.unwrap();
    world.clock.advance(60 * SECOND);
    let mut first = Events::open(&world.server, &feed).await;
    assert_eq!(first.sessions().await, one(&late.session.id), "the other's last token has long expired");
    assert_eq!(first.sessions().await, BTreeSet::new(), "it is told once");

    let (_, live) = world.sign_in().await;
    world.server.end_session(&id(&live.session.id)).await.unwrap();
    first.until(&live.session.id).await;
    let mut second = Events::open(&world.server, &feed).await;
    assert_eq!(second.sessions().await, BTreeSet::from([late.session.id, live.session.id]));
}

#[tokio::test]
async fn however_a_session_ends_it_is_told_within_a_second() {
    let world = World::new().await;
    let (feed, admin) = (world.credential(Scope::Feed).await, world.credential(Scope::Admin).await);
    let mut events = Events::open(&world.server, &feed).await;
    for way in 0..7 {
        let (cookie, body) = world.sign_in().await;
        let (_, other) = world.sign_in().await;
        let session = &body.session;
        let request = match way {
            0 => delete("/auth/v1/session").cookie(&cookie).send(),
            1 => delete(&format!("/auth/v1/sessions/{}", session.id)).cookie(&cookie).send(),
            2 => crate::world::post("/auth/v1/sessions")
                .cookie(&cookie)
                .json(&crate::world::credentials(crate::world::EMAIL, crate::world::PASSWORD)),
            3 => delete("/auth/v1/sessions").cookie(&cookie).send(),
            4 => bare("DELETE", &format!("/v1/admin/sessions/{}", session.id))
                .with("authorization", &admin)
                .send(),
            5 => bare("DELETE", &format!("/v1/admin/users/{}/sessions", session.user))
                .with("authorization", &admin)
                .send(),
            _ => {
                let hash = Secret::new("$hash".to_owned());
                assert!(world.store.set_password(&world.user.id, hash, world.clock.now_ms()).await.unwrap());
                bare("GET", "/livez").send()
            }
        };
        let answer =
            if way == 4 || way == 5 { world.admin(request).await } else { world.call(request).await };
        assert!(answer.status.is_success(), "{way}: {}", answer.text());
        let ended = if way == 3 { &other.session.id } else { &session.id };
        let took = events.until(ended).await;
        assert!(took < Duration::from_secs(1), "{way}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_comes_four_times_a_second_or_more() {
    let world = World::new().await;
    let mut events = Events::open(&world.server, &world.credential(Scope::Feed).await).await;
    let (began, mut pauses, mut last) = (Instant::now(), Vec::new(), Instant::now());
    while began.elapsed() < Duration::from_secs(3) {
        events.sessions().await;
        pauses.push(last.elapsed());
        last = Instant::now();
    }
    pauses.sort();
    eprintln!(
        "heartbeats: median {:?}, longest {:?} apart",
        pauses[pauses.len() / 2],
        pauses.last().unwrap()
    );
    assert!(pauses[pauses.len() / 2] < Duration::from_millis(250), "{pauses:?}");
    assert!(*pauses.last().unwrap() < Duration::from_secs(1), "{pauses:?}");
}

#[tokio::test]
async fn while_nobody_follows_the_store_is_left_alone() {
    let world = World::new().await;
    let events = Events::open(&world.server, &world.credential(Scope::Feed).await).await;
    drop(events);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let reads = world.reads();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.reads(), reads);
}

#[tokio::test]
async fn only_a_credential_of_the_feed_follows_and_only_while_it_is_not_removed() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    let refused = world.admin(bare("GET", "/v1/revocations").with("authorization", &admin).send()).await;
    assert_eq!(refused.code(), "insufficient_scope");
    assert_eq!(world.admin(bare("GET", "/v1/revocations").send()).await.code(), "credential_missing");
    let (made, secret) = credential::add(&*world.store, Scope::Feed, "x", NOW).await.unwrap();
    let mut events = Events::open(&world.server, &format!("Bearer {}", secret.expose())).await;
    assert!(world.store.remove_credential(&made.id).await.unwrap());
    world.clock.advance(5 * SECOND);
    let began = Instant::now();
    while events.next().await.is_some() {
        assert!(began.elapsed() < Duration::from_secs(5), "its stream ends");
    }
}

#[tokio::test]
async fn while_the_store_fails_there_are_no_heartbeats_and_afterwards_nothing_is_missing() {
    let world = World::new().await;
    let feed = world.credential(Scope::Feed).await;
    let mut events = Events::open(&world.server, &feed).await;
    events.sessions().await;
    let (_, body) = world.sign_in().await;
    world.store.fail(Fault::Unavailable);
    // Another server, which reaches the store, ends it.
    let session = SessionId::parse(&body.session.id).unwrap();
    assert!(world.store.sqlite.end_session(&session, None, world.clock.now_ms()).await.unwrap());
    // What was read before the failure may still be on its way.
    let drained = tokio::time::timeout(Duration::from_millis(300), async {
        loop {
            events.next().await;
        }
    });
    assert!(drained.await.is_err());
    let silent = tokio::time::timeout(Duration::from_millis(700), events.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    let refused = world.admin(bare("GET", "/v1/revocations").with("authorization", &feed).send()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (503, "unavailable".to_owned()));
    world.store.fail(Fault::None);
    events.until(&body.session.id).await;
}

#[tokio::test]
async fn a_server_that_may_make_no_tokens_sends_no_heartbeats_but_tells_what_ends() {
    let world = World::new().await;
    let mut events = Events::open(&world.server, &world.credential(Scope::Feed).await).await;
    let (_, body) = world.sign_in().await;
    events.sessions().await;
    world.store.fail(Fault::NoKeys);
    world.clock.advance(31 * SECOND);
    assert!(world.server.end_session(&SessionId::parse(&body.session.id).unwrap()).await.unwrap());
    let mut told = Vec::new();
    let silent = tokio::time::timeout(Duration::from_millis(1_000), async {
        loop {
            told.push(events.next().await.unwrap().0);
        }
    });
    assert!(silent.await.is_err());
    let after = told.iter().skip_while(|name| *name == "heartbeat").collect::<Vec<_>>();
    assert_eq!(after, ["ended"], "{told:?}: a heartbeat may have been on its way");
    world.store.fail(Fault::None);
    world.server.look_after_keys().await.unwrap();
    assert_eq!(events.next().await.unwrap().0, "heartbeat");
}

#[tokio::test]
async fn many_that_end_at_once_are_told_in_parts() {
    let world = World::new().await;
    let mut ids = BTreeSet::new();
    for session in open_sessions(&*world.store.sqlite, &world.user.id, 450).await {
        ids.insert(session.as_str().to_owned());
    }
    assert_eq!(world.store.sqlite.end_sessions(&world.user.id, None, NOW).await.unwrap(), 450);
    let mut events = Events::open(&world.server, &world.credential(Scope::Feed).await).await;
    assert_eq!(events.sessions().await, ids);
}

async fn open_sessions(store: &dyn Store, user: &UserId, count: usize) -> Vec<SessionId> {
    let mut opened = Vec::new();
    for _ in 0..count {
        let session = new_session(user, NOW);
        let id = session.id.clone();
        let secret = SecretHash(id.as_str().as_bytes().try_into().unwrap());
        let new = NewSession { session, secret, credentials: 0, replaces: None };
        assert!(store.open_session(new).await.unwrap());
        opened.push(id);
    }
    opened
}

/// Sessions are ended all the time, by two servers, some with a time that lies seconds back, as if the store had
/// kept them waiting. Whoever connects meanwhile hears of each that ends, be it before, while or after it connects.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_missed_between_the_beginning_and_what_follows() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("race.db");
    let clock = Arc::new(ManualClock::new(NOW));
    let open = || Arc::new(SqliteStore::open(&file).unwrap());
    let (here, there) = (open(), open());
    let user = crate::world::add_user(&*here, "ada@example.test").await;
    let server = Server::start(Config::default(), here.clone() as _, Arc::clone(&clock) as _).await.unwrap();
    let server = Arc::new(server);
    let (_, secret) = credential::add(&*here, Scope::Feed, "x", NOW).await.unwrap();
    let bearer = format!("Bearer {}", secret.expose());
    let sessions = open_sessions(&*here, &user.id, 400).await;
    let all: BTreeSet<_> = sessions.iter().map(|id| id.as_str().to_owned()).collect();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let backs: Vec<u64> = sessions.iter().map(|_| u64::from(random.next_u32() % 5_000)).collect();
    let ending = tokio::spawn(async move {
        for (number, (id, back)) in sessions.iter().zip(backs).enumerate() {
            let store = if number % 2 == 0 { &here } else { &there };
            assert!(store.end_session(id, None, NOW - back).await.unwrap());
        }
    });
    let mut followers = Vec::new();
    while !ending.is_finished() {
        let (server, bearer, all) = (Arc::clone(&server), bearer.clone(), all.clone());
        followers.push(tokio::spawn(async move {
            let mut events = Events::open(&server, &bearer).await;
            let mut told = events.sessions().await;
            let at_first = told.len();
            let began = Instant::now();
            while told.len() < all.len() && began.elapsed() < PATIENCE {
                told.extend(events.sessions().await);
            }
            assert_eq!(told.len(), all.len(), "{:?}", all.difference(&told).collect::<Vec<_>>());
            at_first
        }));
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    ending.await.unwrap();
    let mut amid = 0;
    for follower in followers {
        amid += usize::from((1..400).contains(&follower.await.unwrap()));
    }
    assert!(amid > 5, "{amid}: they came while sessions ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_being_read_when_somebody_connects_is_read_once_more_for_them() {
    let world = World::new().await;
    let feed = world.credential(Scope::Feed).await;
    let (_, body) = world.sign_in().await;
    let session = SessionId::parse(&body.session.id).unwrap();
    let _first = Events::open(&world.server, &feed).await;
    let (has_ended, wait_for_end) = tokio::sync::oneshot::channel();
    let (let_go, wait) = tokio::sync::oneshot::channel::<()>();
    world.store.after_read(|sqlite| async move {
        // It has been read that this session lives.
        assert!(sqlite.end_session(&session, None, NOW).await.unwrap());
        has_ended.send(()).unwrap();
        wait.await.unwrap();
    });
    wait_for_end.await.unwrap();
    let open = Events::open(&world.server, &feed);
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let_go.send(()).unwrap();
    };
    let (mut second, ()) = tokio::join!(open, release);
    assert_eq!(second.sessions().await, one(&body.session.id), "it had ended before they connected");
}
