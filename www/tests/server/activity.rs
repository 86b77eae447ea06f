//! When users were active: noted on the request's path, written off it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use fiftyten_server::protocol::SessionList;
use fiftyten_server::store::{SqliteStore, Store};

use crate::world::{HOUR, MINUTE, SECOND, World, get, post};

async fn refresh(world: &World, cookie: &str, active: bool) {
    let path = format!("/auth/v1/refresh?reason=timer&active={}", u8::from(active));
    assert_eq!(world.call(post(&path).cookie(cookie).send()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_user_is_active_outlives_the_idle_lifetime() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    for _ in 0..10 {
        world.clock.advance(20 * HOUR);
        refresh(&world, &cookie, true).await;
        world.store.settle(Duration::from_secs(3)).await;
    }
    world.clock.advance(24 * HOUR - 1);
    refresh(&world, &cookie, false).await;
    world.clock.advance(1);
    assert_eq!(world.refresh(&cookie).await.code(), "session_expired");
}

#[tokio::test(start_paused = true)]
async fn activity_is_written_in_batches_and_once_a_minute_for_each_session_at_most() {
    let world = World::new().await;
    let mut cookies = Vec::new();
    for _ in 0..5 {
        cookies.push(world.sign_in().await.0);
    }
    for _ in 0..60 {
        world.clock.advance(10 * SECOND);
        for cookie in &cookies {
            refresh(&world, cookie, true).await;
        }
        world.store.settle(Duration::from_secs(2)).await;
    }
    let batches = world.store.activity.lock().unwrap().clone();
    let mut written: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for (at, batch) in &batches {
        for (session, _) in batch {
            written.entry(session.clone()).or_default().push(*at);
        }
    }
    assert_eq!(written.len(), 5);
    for times in written.values() {
        assert!(times.len() >= 8, "and it is written: {times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= MINUTE), "{times:?}");
    }
    assert!(batches.len() < 5 * 10, "batched: {} writes", batches.len());
}

#[tokio::test]
async fn a_poll_that_is_no_activity_writes_nothing() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    for _ in 0..10 {
        world.clock.advance(HOUR);
        refresh(&world, &cookie, false).await;
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(world.store.activity.lock().unwrap().is_empty());
    let list: SessionList = world.call(get("/auth/v1/sessions").cookie(&cookie).send()).await.json();
    assert_eq!(list.sessions[0].last_active_at, list.sessions[0].created_at);
}

#[tokio::test]
async fn what_was_noted_is_written_when_the_server_closes() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    world.clock.advance(5 * MINUTE);
    refresh(&world, &cookie, true).await;
    let World { server, store, user, folder, .. } = world;
    server.close().await;
    drop(store);
    let reopened = SqliteStore::open(&folder.path().join("test.db")).unwrap();
    let sessions = reopened.list_sessions(&user.id).await.unwrap();
    assert_eq!(sessions[0].last_active_at, sessions[0].created_at + 5 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn old_sessions_are_forgotten_a_day_after_their_end_and_revoked_ones_are_known_until_then() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let id = fiftyten_server::SessionId::parse(&body.session.id).unwrap();
    world.server.end_session(&id).await.unwrap();
    for (advance, code) in
        [(0, "session_revoked"), (30 * 24 * HOUR, "session_revoked"), (24 * HOUR + 1, "no_session")]
    {
        world.clock.advance(advance);
        world.store.settle(Duration::from_secs(11 * 60)).await;
        assert_eq!(world.refresh(&cookie).await.code(), code);
    }
}
