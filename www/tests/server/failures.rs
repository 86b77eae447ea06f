//! A store that fails says nothing about a session.

use axum::http::StatusCode;
use fiftyten_server::protocol::RefreshBody;

use crate::world::{EMAIL, FAULTS, Fault, PASSWORD, SECOND, World, bare, credentials, delete, get, post};

#[tokio::test]
async fn whatever_the_store_does_no_session_ends_and_every_client_is_told_to_come_back() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    for fault in FAULTS {
        world.store.fail(fault);
        for (method, path, writes) in [
            ("POST", "/auth/v1/refresh?reason=timer&active=1", false),
            ("GET", "/auth/v1/sessions", false),
            ("DELETE", "/auth/v1/session", true),
            ("DELETE", "/auth/v1/sessions", true),
            ("DELETE", &format!("/auth/v1/sessions/{}", body.session.id), true),
            ("POST", "/auth/v1/sessions", true),
        ] {
            let request = crate::world::request(method, path).cookie(&cookie);
            let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
            if fault == Fault::ReadOnly && !writes {
                assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
                continue;
            }
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?} {method} {path}");
            let code = if fault == Fault::Busy { "overloaded" } else { "unavailable" };
            assert_eq!(answer.code(), code);
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=5).contains(&wait));
            assert!(!answer.headers.contains_key("set-cookie"), "the cookie stays");
            assert!(
                !answer.text().contains("fire") && !answer.text().contains("disk"),
                "details stay inside"
            );
        }
    }
    world.store.fail(Fault::None);
    let answer = world.refresh(&cookie).await;
    assert_eq!(answer.json::<RefreshBody>().session, body.session);
}

#[tokio::test]
async fn a_malformed_cookie_is_no_session_even_while_the_store_is_down() {
    let world = World::new().await;
    world.store.fail(Fault::Unavailable);
    assert_eq!(world.refresh("fiftyten=short").await.code(), "no_session");
}

#[tokio::test]
async fn alive_is_not_ready() {
    let world = World::new().await;
    for fault in [Fault::None, Fault::Unavailable, Fault::Busy, Fault::None] {
        world.store.fail(fault);
        let ready = world.call(bare("GET", "/readyz").send()).await.status;
        let expected =
            if fault == Fault::None { StatusCode::NO_CONTENT } else { StatusCode::SERVICE_UNAVAILABLE };
        assert_eq!(ready, expected);
        assert_eq!(world.call(bare("GET", "/livez").send()).await.status, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn activity_that_could_not_be_written_is_written_when_the_store_is_back() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    world.clock.advance(100 * SECOND);
    let active = || post("/auth/v1/refresh?reason=timer&active=1").cookie(&cookie).send();
    assert_eq!(world.call(active()).await.status, StatusCode::OK);
    world.store.fail(Fault::ReadOnly);
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert!(world.store.activity.lock().unwrap().is_empty());
    world.store.fail(Fault::None);
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let list = world.call(get("/auth/v1/sessions").cookie(&cookie).send()).await;
    let list: fiftyten_server::protocol::SessionList = list.json();
    assert_eq!(list.sessions[0].last_active_at, list.sessions[0].created_at + 100);
    let out = delete("/auth/v1/session").cookie(&cookie).send();
    assert_eq!(world.call(out).await.status, StatusCode::NO_CONTENT);
}
