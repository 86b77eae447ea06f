//! `POST /v1/sessions`.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use fiftyten_server::account;
use fiftyten_server::protocol::{RefreshBody, SessionRef};
use fiftyten_server::{Config, Origin, Secret};

use crate::world::{Answer, EMAIL, MINUTE, PASSWORD, SECOND, World, add_user, bare, credentials, post};

async fn attempt(world: &World, email: &str, password: &str) -> Answer {
    world.call(post("/auth/v1/sessions").json(&credentials(email, password))).await
}

#[tokio::test]
async fn signing_in_gives_a_token_and_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let world = World::new().await;
    let answer = attempt(&world, EMAIL, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("cache-control"), "no-store");
    let body: RefreshBody = answer.json();
    assert_eq!(body.session.user, world.user.id.as_str());
    assert_eq!((body.expires_in_ms, body.refresh_in_ms), (60_000 - 127, 50_000));
    let cookie = answer.header("set-cookie");
    let value = cookie.strip_prefix("fiftyten=").unwrap().split(';').next().unwrap();
    assert_eq!(value.len(), 43, "256 bits as base64url");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"), "{cookie}");
    assert_eq!(world.refresh(&answer.cookie()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn under_https_the_cookie_is_secure_and_its_name_makes_browsers_insist_on_it() {
    let config = Config { public_url: Origin::parse("https://app.example").unwrap(), ..Config::default() };
    let world = World::with(config).await;
    let request =
        bare("POST", "/auth/v1/sessions").with("x-fiftyten", "1").with("origin", "https://app.example");
    let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-Http-fiftyten="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000"), "{cookie}");
    assert!(!cookie.contains("Domain"));
    let plain = answer.cookie().replace("__Host-Http-", "");
    for (cookie, status) in [(answer.cookie(), 200), (plain, 401)] {
        let request = bare("POST", "/auth/v1/refresh?reason=start").with("sec-fetch-site", "same-origin");
        let answer = world.call(request.with("x-fiftyten", "1").cookie(&cookie).send()).await;
        assert_eq!(answer.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer_for_the_same_work() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for (email, password) in [(EMAIL, "wrong"), ("nobody@example.test", PASSWORD), ("not an address", "x")] {
        let before = world.server.stats();
        let answer = attempt(&world, email, password).await;
        let after = world.server.stats();
        assert_eq!(answer.code(), "invalid_credentials");
        assert_eq!(after.password_hashes - before.password_hashes, 1);
        assert_eq!(after.store_reads - before.store_reads, 1);
        assert_eq!(after.store_writes, before.store_writes);
        assert!(!answer.headers.contains_key("set-cookie"));
        answers.push((answer.status, answer.headers, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn blanks_around_the_address_and_its_case_do_not_matter() {
    let world = World::new().await;
    assert_eq!(attempt(&world, "  ADA@Example.TEST\n", PASSWORD).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn every_sign_in_is_a_new_session_and_ends_the_one_the_browser_had() {
    let world = World::new().await;
    let (old, first) = world.sign_in().await;
    let request = post("/auth/v1/sessions").cookie(&old);
    let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
    let second: RefreshBody = answer.json();
    assert_ne!(first.session.id, second.session.id);
    assert_ne!(old, answer.cookie(), "a cookie from before signing in is worth nothing after it");
    let refused = world.refresh(&old).await;
    assert_eq!(refused.code(), "session_revoked");
    assert_eq!(refused.problem_session(), Some(first.session.id));
    assert_eq!(world.refresh(&answer.cookie()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_failed_sign_in_leaves_the_session_that_the_browser_had() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let request = post("/auth/v1/sessions").cookie(&cookie);
    assert_eq!(world.call(request.json(&credentials(EMAIL, "wrong"))).await.code(), "invalid_credentials");
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_in_over_another_users_session_ends_that_session() {
    let world = World::new().await;
    add_user(&*world.store, "bob@example.test").await;
    let (ada, _) = world.sign_in().await;
    let request = post("/auth/v1/sessions").cookie(&ada);
    let answer = world.call(request.json(&credentials("bob@example.test", PASSWORD))).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(world.refresh(&ada).await.code(), "session_revoked");
}

#[tokio::test]
async fn a_worthless_cookie_does_not_keep_anyone_from_signing_in() {
    let world = World::new().await;
    let unknown = format!("fiftyten={}", "A".repeat(43));
    for cookie in ["fiftyten=", "fiftyten=garbage", "other=1", &unknown] {
        let request = post("/auth/v1/sessions").cookie(cookie);
        let answer = world.call(request.json(&credentials(EMAIL, PASSWORD))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{cookie}");
    }
}

#[tokio::test]
async fn a_session_does_not_open_if_the_password_was_changed_while_the_old_one_was_checked() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let now = crate::world::NOW;
    world.store.after_read(move |store| async move {
        let password = Secret::new("a new one".to_owned());
        account::set_password(&*store, EMAIL, password, now).await.unwrap();
    });
    assert_eq!(attempt(&world, EMAIL, PASSWORD).await.code(), "invalid_credentials");
    assert_eq!(attempt(&world, EMAIL, "a new one").await.status, StatusCode::CREATED);
    assert_eq!(world.refresh(&cookie).await.code(), "session_revoked", "the new password ended it");
}

#[tokio::test]
async fn wrong_passwords_for_one_account_are_limited_and_nothing_else_is() {
    let world = World::new().await;
    add_user(&*world.store, "bob@example.test").await;
    for _ in 0..10 {
        assert_eq!(attempt(&world, EMAIL, "wrong").await.code(), "invalid_credentials");
    }
    let hashes = world.server.stats().password_hashes;
    let refused = attempt(&world, EMAIL, PASSWORD).await;
    assert_eq!(refused.code(), "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((31..=35).contains(&wait), "30 s and a random part: {wait}");
    assert_eq!(world.server.stats().password_hashes, hashes, "a refusal costs nothing");
    assert_eq!(attempt(&world, "bob@example.test", PASSWORD).await.status, StatusCode::CREATED);
    world.clock.advance(30 * SECOND);
    assert_eq!(attempt(&world, " ADA@example.test", PASSWORD).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_unknown_address_is_limited_as_a_known_one_is() {
    let world = World::new().await;
    for _ in 0..10 {
        assert_eq!(attempt(&world, "nobody@example.test", "x").await.code(), "invalid_credentials");
    }
    assert_eq!(attempt(&world, "nobody@example.test", "x").await.code(), "rate_limited");
}

#[tokio::test]
async fn signing_in_rightly_does_not_use_up_the_limit() {
    let world = World::new().await;
    for _ in 0..15 {
        assert_eq!(attempt(&world, EMAIL, PASSWORD).await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn one_address_may_not_try_all_accounts_whatever_it_claims_to_have_been_forwarded_for() {
    let config = Config { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Config::default() };
    let world = World::with(config).await;
    let attempt = async |n: usize, peer: &str, forwarded: &str| {
        let email = format!("user{n}@example.test");
        let request = post("/auth/v1/sessions").with("x-forwarded-for", forwarded);
        let mut request = request.json(&credentials(&email, "x"));
        let peer: SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        world.call(request).await.code()
    };
    for n in 0..50 {
        assert_eq!(attempt(n, "192.0.2.1:1", &format!("198.51.100.{n}")).await, "invalid_credentials");
    }
    assert_eq!(attempt(50, "192.0.2.1:2", "198.51.100.77").await, "rate_limited");
    assert_eq!(attempt(51, "10.0.0.1:1", "192.0.2.1").await, "rate_limited", "the same one behind our proxy");
    assert_eq!(attempt(52, "10.0.0.1:1", "192.0.2.2").await, "invalid_credentials");
    world.clock.advance(MINUTE);
    assert_eq!(attempt(53, "192.0.2.1:1", "").await, "invalid_credentials");
}

#[tokio::test]
async fn a_password_has_1_to_1024_bytes() {
    let world = World::new().await;
    let before = world.reads();
    for password in [String::new(), "x".repeat(1025), "ü".repeat(513)] {
        assert_eq!(attempt(&world, EMAIL, &password).await.code(), "bad_request");
    }
    assert_eq!(world.reads(), before);
    assert_eq!(attempt(&world, EMAIL, &"x".repeat(1024)).await.code(), "invalid_credentials");
}

#[tokio::test]
async fn a_body_that_is_not_the_right_json_is_refused_before_anything_is_read() {
    let world = World::new().await;
    let before = world.reads();
    let json =
        |body: &str| post("/auth/v1/sessions").with("content-type", "application/json").body(body.to_owned());
    for body in [
        "",
        "{",
        "null",
        "[]",
        "\"x\"",
        "-1",
        r#"{"email":"a@b"}"#,
        r#"{"email":1,"password":"x"}"#,
        r#"{"email":"a@b","password":-5}"#,
        r#"{"email":"a@b","password":null}"#,
        r#"{"email":"a@b","password":"x"} x"#,
        r#"{"email":"a@b","password":"x","password":"y"}"#,
        r#"{"email":"a@b","password":"\ud800"}"#,
    ] {
        assert_eq!(world.call(json(body)).await.code(), "bad_request", "{body}");
    }
    let invalid_utf8 = b"{\"email\":\"a@b\",\"password\":\"\xff\"}".to_vec();
    let request = post("/auth/v1/sessions").with("content-type", "application/json").body(invalid_utf8);
    assert_eq!(world.call(request).await.code(), "bad_request");
    for large in [format!("{{\"email\":\"{}", "x".repeat(4097)), "[".repeat(1 << 20)] {
        assert_eq!(world.call(json(&large)).await.code(), "payload_too_large");
    }
    assert_eq!(world.call(json(&"[".repeat(4000))).await.code(), "bad_request", "deep nesting");
    for media_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "\u{fc}"] {
        let request = post("/auth/v1/sessions").with("content-type", media_type);
        let answer = world.call(request.body(credentials(EMAIL, PASSWORD).to_string())).await;
        assert_eq!(answer.code(), "unsupported_media_type", "{media_type}");
    }
    let none = world.call(post("/auth/v1/sessions").body(credentials(EMAIL, PASSWORD).to_string())).await;
    assert_eq!(none.code(), "unsupported_media_type");
    assert_eq!(world.reads(), before);
    let charset = post("/auth/v1/sessions").with("content-type", "Application/JSON; charset=utf-8");
    let answer = world.call(charset.body(credentials(EMAIL, PASSWORD).to_string())).await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_session_names_itself_in_the_body_as_in_the_token() {
    let world = World::new().await;
    let (_, body) = world.sign_in().await;
    let (_, claims) = crate::world::decode(&body.token);
    let SessionRef { id, user } = body.session;
    assert_eq!((claims["sid"].as_str(), claims["sub"].as_str()), (Some(&*id), Some(&*user)));
}
