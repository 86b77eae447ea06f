//! Signing out, and the user's list of sessions.

use axum::http::StatusCode;
use fiftyten_server::protocol::{RefreshBody, SessionList};

use crate::world::{DAY, EMAIL, NOW, PASSWORD, SECOND, World, add_user, credentials, delete, get, post};

async fn list(world: &World, cookie: &str) -> SessionList {
    let answer = world.call(get("/auth/v1/sessions").cookie(cookie).send()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn end(world: &World, cookie: &str, path: &str) -> crate::world::Answer {
    world.call(delete(path).cookie(cookie).send()).await
}

#[tokio::test]
async fn signing_out_ends_the_session_and_clears_the_cookie() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let answer = end(&world, &cookie, "/auth/v1/session").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("set-cookie"), "fiftyten=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    let refused = world.refresh(&cookie).await;
    assert_eq!(refused.code(), "session_revoked");
    assert_eq!(refused.problem_session(), Some(body.session.id));
}

#[tokio::test]
async fn signing_out_again_because_the_answer_was_lost_succeeds_again() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    for _ in 0..2 {
        let answer = end(&world, &cookie, "/auth/v1/session").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(answer.header("set-cookie").contains("Max-Age=0"));
    }
    let (cookie, _) = world.sign_in().await;
    world.clock.advance(31 * DAY);
    assert_eq!(end(&world, &cookie, "/auth/v1/session").await.status, StatusCode::NO_CONTENT, "expired");
}

#[tokio::test]
async fn signing_out_of_nothing_is_no_session() {
    let world = World::new().await;
    let unknown = format!("fiftyten={}", "A".repeat(43));
    for cookie in ["", "fiftyten=x", &unknown] {
        let answer = end(&world, cookie, "/auth/v1/session").await;
        assert_eq!(answer.code(), "no_session");
        assert!(!answer.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn the_list_shows_the_live_sessions_the_latest_first_and_which_one_asks() {
    let world = World::new().await;
    let (first, first_body) = world.sign_in().await;
    world.clock.advance(10 * SECOND);
    let agent = post("/auth/v1/sessions").with("user-agent", "Browser/1.0");
    let answer = world.call(agent.json(&credentials(EMAIL, PASSWORD))).await;
    let (second, second_body) = (answer.cookie(), answer.json::<RefreshBody>());
    world.clock.advance(10 * SECOND);
    let (third, _) = world.sign_in().await;
    end(&world, &third, "/auth/v1/session").await;
    add_user(&*world.store, "bob@example.test").await;
    world.call(post("/auth/v1/sessions").json(&credentials("bob@example.test", PASSWORD))).await;

    let list = list(&world, &first).await.sessions;
    assert_eq!(list.len(), 2);
    assert_eq!((list[0].id.as_str(), list[0].current), (second_body.session.id.as_str(), false));
    assert_eq!((list[1].id.as_str(), list[1].current), (first_body.session.id.as_str(), true));
    assert_eq!(list[0].created_at, (NOW + 10 * SECOND) / 1000);
    assert_eq!(list[0].last_active_at, list[0].created_at);
    assert_eq!(list[0].expires_at, list[0].created_at + 30 * 86_400);
    assert_eq!(list[0].user_agent.as_deref(), Some("Browser/1.0"));
    assert_eq!(list[1].user_agent, None);
    assert!(self::list(&world, &second).await.sessions[0].current);
}

#[tokio::test]
async fn a_long_user_agent_is_cut_and_an_unreadable_one_left_out() {
    let world = World::new().await;
    for (agent, kept) in [("x".repeat(100_000).into_bytes(), Some("x".repeat(256))), (b"\xff".to_vec(), None)]
    {
        let request = post("/auth/v1/sessions").with("user-agent", agent);
        let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
        assert_eq!(list(&world, &answer.cookie()).await.sessions[0].user_agent, kept);
        world.clock.advance(SECOND);
    }
}

#[tokio::test]
async fn a_user_ends_another_session_of_theirs() {
    let world = World::new().await;
    let (mine, _) = world.sign_in().await;
    let (other, other_body) = world.sign_in().await;
    let path = format!("/auth/v1/sessions/{}", other_body.session.id);
    for _ in 0..2 {
        let answer = end(&world, &mine, &path).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    assert_eq!(world.refresh(&other).await.code(), "session_revoked");
    assert_eq!(world.refresh(&mine).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ending_the_session_that_asks_clears_its_cookie() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let answer = end(&world, &cookie, &format!("/auth/v1/sessions/{}", body.session.id)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(world.refresh(&cookie).await.code(), "session_revoked");
}

#[tokio::test]
async fn nobody_ends_or_sees_a_session_of_somebody_else() {
    let world = World::new().await;
    let (ada, ada_body) = world.sign_in().await;
    add_user(&*world.store, "bob@example.test").await;
    let answer = world.call(post("/auth/v1/sessions").json(&credentials("bob@example.test", PASSWORD))).await;
    let bob = answer.cookie();
    let theirs = format!("/auth/v1/sessions/{}", ada_body.session.id);
    let nobodys = format!("/auth/v1/sessions/{}", "0".repeat(32));
    let (theirs, nobodys) = (end(&world, &bob, &theirs).await, end(&world, &bob, &nobodys).await);
    assert_eq!(theirs.code(), "not_found");
    assert_eq!(
        (theirs.status, theirs.body),
        (nobodys.status, nobodys.body),
        "and cannot tell that there is one"
    );
    end(&world, &bob, "/auth/v1/sessions").await;
    assert_eq!(world.refresh(&ada).await.status, StatusCode::OK);
    assert_eq!(list(&world, &bob).await.sessions.len(), 1);
}

#[tokio::test]
async fn a_user_ends_all_their_other_sessions() {
    let world = World::new().await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(world.sign_in().await.0);
    }
    let (mine, _) = world.sign_in().await;
    assert_eq!(end(&world, &mine, "/auth/v1/sessions").await.status, StatusCode::NO_CONTENT);
    for other in others {
        assert_eq!(world.refresh(&other).await.code(), "session_revoked");
    }
    assert_eq!(list(&world, &mine).await.sessions.len(), 1);
}

#[tokio::test]
async fn an_ended_session_can_neither_list_nor_end() {
    let world = World::new().await;
    let (live, live_body) = world.sign_in().await;
    let (ended, _) = world.sign_in().await;
    end(&world, &ended, "/auth/v1/session").await;
    for (method, path) in [
        ("GET", "/auth/v1/sessions".to_owned()),
        ("DELETE", "/auth/v1/sessions".to_owned()),
        ("DELETE", format!("/auth/v1/sessions/{}", live_body.session.id)),
    ] {
        let request = crate::world::request(method, &path).cookie(&ended).send();
        assert_eq!(world.call(request).await.code(), "session_revoked", "{method} {path}");
    }
    assert_eq!(world.refresh(&live).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_session_id_is_not_found() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    for id in ["x", "%00", "%ff%fe", "..%2f..", "-1", &"a".repeat(60_000), "%27%3B--", &"G".repeat(32)] {
        let answer = end(&world, &cookie, &format!("/auth/v1/sessions/{id}")).await;
        assert_eq!(answer.code(), "not_found", "{id:.40}");
    }
}
