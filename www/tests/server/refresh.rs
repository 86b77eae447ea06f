//! `POST /v1/refresh`.

use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use fiftyten_server::protocol::{Reason, RefreshBody};
use fiftyten_server::{Config, Origin};
use fiftyten_verify::{Expect, Verifier};
use serde_json::json;

use crate::world::{
    Answer, DAY, EMAIL, HOUR, NOW, PASSWORD, SECOND, World, bare, credentials, decode, delete, post,
};

fn verifier(world: &World) -> Verifier {
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience());
    Verifier::from_jwks(&world.server.published_keys().json, expect).unwrap()
}

#[tokio::test]
async fn the_token_says_what_the_protocol_says_and_nothing_more() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let answer = world.refresh(&cookie).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body: RefreshBody = answer.json();
    let (header, claims) = decode(&body.token);
    let kid = header["kid"].as_str().unwrap();
    assert_eq!(header, json!({ "alg": "EdDSA", "typ": "session+jwt", "kid": kid }));
    assert_eq!(kid.len(), 43, "a SHA-256 thumbprint");
    assert_eq!(
        claims,
        json!({
            "iss": "http://localhost:8080/auth",
            "aud": "http://localhost:8080",
            "sub": world.user.id.as_str(),
            "sid": body.session.id,
            "iat": NOW / 1000,
            "exp": NOW / 1000 + 60,
            "roles": ["clerk"],
            "permissions": ["orders:refund"],
            "name": "Ada",
        })
    );
}

#[tokio::test]
async fn a_verifier_accepts_the_token_until_the_very_moment_that_the_body_names() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let verifier = verifier(&world);
    for advance in [0, 1, 872, 873, 999, 12_345] {
        world.clock.advance(advance);
        let now = fiftyten_server::clock::Clock::now_ms(&*world.clock);
        let body: RefreshBody = world.refresh(&cookie).await.json();
        let at = |ms| verifier.verify_at(&body.token, UNIX_EPOCH + Duration::from_millis(now + ms));
        let claims = at(0).unwrap();
        assert_eq!(claims.session(), body.session.id);
        assert!(at(body.expires_in_ms - 1).is_ok());
        assert!(at(body.expires_in_ms).is_err());
        assert_eq!(body.expires_in_ms, 60_000 - now % 1000);
        assert!(body.refresh_in_ms < body.expires_in_ms);
    }
}

#[tokio::test]
async fn tokens_of_12_seconds_and_of_3_work_as_those_of_60_do() {
    for (lifetime_s, refresh_ms) in [(12, 8_000), (3, 1_999)] {
        let config = Config {
            token_lifetime: Duration::from_secs(lifetime_s),
            refresh_in: Duration::from_millis(refresh_ms),
            ..Config::default()
        };
        let world = World::with(config).await;
        let (cookie, _) = world.sign_in().await;
        for _ in 0..20 {
            world.clock.advance(137);
            let body: RefreshBody = world.refresh(&cookie).await.json();
            assert_eq!(body.refresh_in_ms, refresh_ms);
            assert!(body.expires_in_ms > lifetime_s * 1000 - 1000 && body.expires_in_ms <= lifetime_s * 1000);
            assert!(body.refresh_in_ms < body.expires_in_ms);
        }
    }
}

#[tokio::test]
async fn the_token_is_dated_before_the_session_is_read_however_long_the_read_takes() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    world.store.read_slowly(7 * SECOND);
    let body: RefreshBody = world.refresh(&cookie).await.json();
    let (_, claims) = decode(&body.token);
    assert_eq!(claims["iat"], NOW / 1000, "not seven seconds later");
    assert_eq!(body.expires_in_ms, 60_000 - NOW % 1000, "counted from when the request came in");
}

#[tokio::test]
async fn a_refresh_that_races_with_a_revocation_gives_a_token_that_dies_in_time() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let session = fiftyten_server::SessionId::parse(&body.session.id).unwrap();
    let clock = std::sync::Arc::clone(&world.clock);
    world.store.after_read(move |store| async move {
        // The row was read as live; now it is revoked, and the revocation is acknowledged.
        clock.advance(3 * SECOND);
        fiftyten_server::store::Store::end_session(&*store, &session, None, NOW + 3 * SECOND).await.unwrap();
    });
    let body: RefreshBody = world.refresh(&cookie).await.json();
    let acknowledged = NOW + 3 * SECOND;
    let (_, claims) = decode(&body.token);
    assert!(claims["exp"].as_u64().unwrap() * 1000 <= acknowledged + 60 * SECOND);
    assert_eq!(world.refresh(&cookie).await.code(), "session_revoked");
}

#[tokio::test]
async fn the_body_takes_at_most_900_bytes() {
    let config = Config {
        public_url: Origin::parse("https://app.a-company-with-a-long-name.example.com").unwrap(),
        ..Config::default()
    };
    let origin = config.public_url.to_string();
    let world = World::with(config).await;
    let request = bare("POST", "/auth/v1/sessions").with("x-fiftyten", "1").with("origin", origin);
    let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert!(answer.body.len() <= 900, "{} bytes", answer.body.len());
}

#[tokio::test]
async fn a_refresh_sets_no_cookie_and_is_not_cached() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let answer = world.refresh(&cookie).await;
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(answer.header("cache-control"), "no-store");
    world.call(delete("/auth/v1/session").cookie(&cookie).send()).await;
    assert!(!world.refresh(&cookie).await.headers.contains_key("set-cookie"), "nor when it is refused");
}

#[tokio::test]
async fn a_missing_or_malformed_cookie_is_refused_without_asking_the_store() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let (reads, long) = (world.reads(), format!("fiftyten={}", "A".repeat(1 << 20)));
    for wrong in ["", "fiftyten=", "other=1", &cookie[..cookie.len() - 1], &format!("{cookie}A"), &long] {
        let answer = world.refresh(wrong).await;
        assert_eq!(answer.code(), "no_session");
        assert_eq!(answer.problem_session(), None);
    }
    let none = world.call(post("/auth/v1/refresh?reason=start").send()).await;
    assert_eq!(none.code(), "no_session");
    assert_eq!(world.reads(), reads);
}

#[tokio::test]
async fn a_well_formed_cookie_that_no_session_has_is_refused_after_a_read() {
    let world = World::new().await;
    let reads = world.reads();
    let answer = world.refresh(&format!("fiftyten={}", "A".repeat(43))).await;
    assert_eq!(answer.code(), "no_session");
    assert_eq!(world.reads(), reads + 1);
}

#[tokio::test]
async fn a_duplicate_of_the_cookie_is_refused_even_if_both_are_right() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let reads = world.reads();
    let twice = format!("{cookie}; {cookie}");
    assert_eq!(world.refresh(&twice).await.code(), "duplicate_cookie");
    let headers = post("/auth/v1/refresh?reason=start").cookie(&cookie).cookie("fiftyten=planted").send();
    let answer = world.call(headers).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "duplicate_cookie"));
    assert_eq!(world.reads(), reads);
}

async fn ended(world: &World, cookie: &str) -> (String, Option<String>) {
    let answer: Answer = world.refresh(cookie).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    (answer.code(), answer.problem_session())
}

#[tokio::test]
async fn the_absolute_lifetime_ends_even_a_busy_session_and_says_which() {
    let config = Config { idle_lifetime: Duration::from_secs(40 * 86_400), ..Config::default() };
    let world = World::with(config).await;
    let (cookie, body) = world.sign_in().await;
    world.clock.advance(30 * DAY - 1);
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(ended(&world, &cookie).await, ("session_expired".to_owned(), Some(body.session.id)));
}

#[tokio::test]
async fn the_idle_lifetime_ends_a_session_that_only_polls_and_says_which() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    for _ in 0..23 {
        world.clock.advance(HOUR);
        let poll = post("/auth/v1/refresh?reason=timer&active=0").cookie(&cookie).send();
        assert_eq!(world.call(poll).await.status, StatusCode::OK);
    }
    world.clock.advance(HOUR - 1);
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
    world.clock.advance(1);
    assert_eq!(ended(&world, &cookie).await, ("session_expired".to_owned(), Some(body.session.id)));
}

#[tokio::test]
async fn a_revoked_session_stays_revoked_after_its_lifetime_too() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let id = fiftyten_server::SessionId::parse(&body.session.id).unwrap();
    assert!(world.server.end_session(&id).await.unwrap());
    for advance in [0, DAY, 29 * DAY] {
        world.clock.advance(advance);
        let expected = ("session_revoked".to_owned(), Some(body.session.id.clone()));
        assert_eq!(ended(&world, &cookie).await, expected);
    }
}

#[tokio::test]
async fn fifty_refreshes_at_once_all_succeed() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let request = post("/auth/v1/refresh?reason=wake&active=1").cookie(&cookie).send();
            tokio::spawn(crate::world::answer(world.router(), request))
        })
        .collect();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer.json::<RefreshBody>().session, body.session);
    }
}

#[tokio::test]
async fn refreshes_are_counted_by_their_reason() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    for reason in Reason::ALL {
        let path = format!("/auth/v1/refresh?reason={reason}&active=1");
        assert_eq!(world.call(post(&path).cookie(&cookie).send()).await.status, StatusCode::OK);
        world.call(post(&path).cookie("fiftyten=x").send()).await;
    }
    assert_eq!(world.server.stats().refreshes, Reason::ALL.map(|reason| (reason, 1)));
}

#[tokio::test]
async fn words_that_are_not_the_protocols_are_refused() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let reads = world.reads();
    for query in [
        "",
        "?",
        "?reason=",
        "?reason=TIMER",
        "?reason=because",
        "?reason=timer&reason=wake",
        "?active=1",
        "?reason=timer&active=",
        "?reason=timer&active=2",
        "?reason=timer&active=-1",
        "?reason=timer&active=true",
        "?reason=%ff",
        "?reason=timer%00",
    ] {
        let answer = world.call(post(&format!("/auth/v1/refresh{query}")).cookie(&cookie).send()).await;
        assert_eq!(answer.code(), "bad_request", "{query}");
    }
    assert_eq!(world.reads(), reads);
    let more = post("/auth/v1/refresh?x=y&reason=timer&active=0&later=1").cookie(&cookie).send();
    assert_eq!(world.call(more).await.status, StatusCode::OK, "what is unknown is for a later version");
}
