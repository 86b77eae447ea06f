//! The server in an app's own router, beside an API that a verifier protects.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use fiftyten_server::clock::Clock;
use fiftyten_verify::{Claims, Expect, RequireToken, Verifier};

use crate::world::{World, answer, bare, post};

#[tokio::test]
async fn a_token_says_all_that_an_api_needs() {
    let world = World::new().await;
    let (_, body) = world.sign_in().await;
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience())
        .max_clock_skew(Duration::from_secs(1));
    let verifier = Verifier::from_jwks(&world.server.published_keys().json, expect).unwrap();
    let now = std::time::UNIX_EPOCH + Duration::from_millis(world.clock.now_ms());
    let claims = verifier.verify_at(&body.token, now).unwrap();
    assert_eq!(claims.session(), body.session.id);
    assert!(claims.has_role("clerk") && claims.has_permission("orders:refund"));
    assert_eq!(claims.get::<String>("name").unwrap().as_deref(), Some("Ada"));
}

#[tokio::test]
async fn beside_an_apps_api_the_server_answers_and_the_api_never_touches_the_store() {
    let world = World::new().await;
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience());
    let verifier = Verifier::from_jwks(&world.server.published_keys().json, expect).unwrap();
    let app = Router::new()
        .route("/api/me", get(|claims: Claims| async move { claims.subject().to_owned() }))
        .route_layer(RequireToken::new(verifier))
        .fallback(|| async { "the app's page" });
    let app = world.router().merge(app);
    let call = async |request| answer(app.clone(), request).await;
    // The layer reads the true time.
    let today = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    world.clock.advance(today.wrapping_sub(world.clock.now_ms()));
    let (cookie, body) = world.sign_in().await;
    let bearer = format!("Bearer {}", body.token);
    let before = world.server.stats();
    for _ in 0..100 {
        let me = call(bare("GET", "/api/me").with("authorization", &bearer).send()).await;
        assert_eq!((me.status, me.text()), (StatusCode::OK, body.session.user.clone()));
    }
    assert_eq!(world.server.stats(), before, "the API has no use for the store");
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
    assert_eq!(world.server.stats().store_reads, before.store_reads + 1, "and the counter counts");
    assert_eq!(call(bare("GET", "/api/me").send()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(bare("GET", "/anything").send()).await.text(), "the app's page");
    assert_eq!(call(post("/auth/v1/nothing").send()).await.code(), "not_found");
    assert_eq!(call(bare("GET", "/livez").send()).await.status, StatusCode::NO_CONTENT);
    assert!(!call(bare("GET", "/anything").send()).await.headers.contains_key("cache-control"));
}
