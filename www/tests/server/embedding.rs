//! The server in an app's own router, beside an API that a verifier protects.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use fiftyten_server::clock::Clock;
use fiftyten_verify::{Claims, Expect, RequireToken, Verifier};

use crate::world::{World, answer, bare, post};

#[tokio::test]
async fn an_api_call_is_verified_without_touching_the_store() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience())
        .max_clock_skew(Duration::from_secs(1));
    let verifier = Verifier::from_jwks(&world.server.published_keys().json, expect).unwrap();
    let now = std::time::UNIX_EPOCH + Duration::from_millis(world.clock.now_ms());
    let before = world.server.stats();
    for _ in 0..1000 {
        let claims = verifier.verify_at(&body.token, now).unwrap();
        assert_eq!(claims.session(), body.session.id);
        assert!(claims.has_role("clerk") && claims.has_permission("orders:refund"));
        assert_eq!(claims.get::<String>("name").unwrap().as_deref(), Some("Ada"));
    }
    assert_eq!(world.server.stats(), before);
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
    assert_eq!(world.server.stats().store_reads, before.store_reads + 1, "and the counter counts");
}

#[tokio::test]
async fn the_servers_router_merges_into_an_apps_own() {
    let world = World::new().await;
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience());
    let verifier = Verifier::from_jwks(&world.server.published_keys().json, expect).unwrap();
    let app = Router::new()
        .route("/api/me", get(|claims: Claims| async move { claims.subject().to_owned() }))
        .route_layer(RequireToken::new(verifier))
        .fallback(|| async { "the app's page" });
    let app = world.router().merge(app);
    let call = async |request| answer(app.clone(), request).await;
    assert_eq!(call(bare("GET", "/api/me").send()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(call(bare("GET", "/anything").send()).await.text(), "the app's page");
    assert_eq!(call(post("/auth/v1/nothing").send()).await.code(), "not_found");
    assert_eq!(call(bare("GET", "/livez").send()).await.status, StatusCode::NO_CONTENT);
    assert!(!call(bare("GET", "/anything").send()).await.headers.contains_key("cache-control"));
}
