//! `require_role` and `require_permission`.

use axum::Router;
use axum::routing::get;
use fiftyten_verify::{Refusal, RequireToken, require_permission, require_role};
use serde_json::{Value, json};

use crate::issuer::{Issuer, payload, set};
use crate::layer::{ask, fresh};

fn app(issuer: &Issuer) -> Router {
    let ok = async || "ok";
    Router::new()
        .route("/role", get(ok).layer(require_role("admin")))
        .route("/permission", get(ok).layer(require_permission("orders:refund")))
        .route(
            "/both",
            get(ok).route_layer(require_permission("orders:refund")).route_layer(require_role("admin")),
        )
        .layer(RequireToken::new(issuer.verifier()))
        .merge(Router::new().route("/forgotten", get(ok)).route_layer(require_role("admin")))
}

fn bearer(issuer: &Issuer, roles: Value, permissions: Value) -> String {
    format!("Bearer {}", fresh(issuer, set(set(payload(), "roles", roles), "permissions", permissions)))
}

#[tokio::test]
async fn who_has_the_role_or_permission_passes() {
    let issuer = Issuer::new();
    let all = bearer(&issuer, json!(["user", "admin"]), json!(["orders:refund"]));
    for path in ["/role", "/permission", "/both"] {
        assert_eq!(ask(&app(&issuer), path, &[&all]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_answer_names_what_is_missing() {
    let issuer = Issuer::new();
    let none = bearer(&issuer, Value::Null, Value::Null);
    let answer = ask(&app(&issuer), "/role", &[&none]).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer error="insufficient_scope""#));
    let problem = answer.problem();
    assert_eq!((problem["code"].as_str(), problem["role"].as_str()), (Some("forbidden"), Some("admin")));
    assert_eq!(problem["title"], "Forbidden");
    assert_eq!(answer.refusal, Some(Refusal::RoleMissing("admin".to_owned())));

    let problem = ask(&app(&issuer), "/permission", &[&none]).await.problem();
    assert_eq!(
        (problem["code"].as_str(), problem["permission"].as_str()),
        (Some("forbidden"), Some("orders:refund"))
    );
}

#[tokio::test]
async fn names_are_compared_exactly() {
    let issuer = Issuer::new();
    let similar = bearer(
        &issuer,
        json!(["Admin", "admin ", "administrator", "*"]),
        json!(["orders:*", "orders", "orders:refund:all", "ORDERS:REFUND"]),
    );
    for path in ["/role", "/permission", "/both"] {
        assert_eq!(ask(&app(&issuer), path, &[&similar]).await.status, 403, "{path}");
    }
}

#[tokio::test]
async fn a_role_is_not_a_permission_and_one_of_two_is_not_both() {
    let issuer = Issuer::new();
    let crossed = bearer(&issuer, json!(["orders:refund"]), json!(["admin"]));
    let half = bearer(&issuer, json!(["admin"]), json!([]));
    assert_eq!(ask(&app(&issuer), "/role", &[&crossed]).await.status, 403);
    assert_eq!(ask(&app(&issuer), "/permission", &[&crossed]).await.status, 403);
    assert_eq!(ask(&app(&issuer), "/role", &[&half]).await.status, 200);
    assert_eq!(ask(&app(&issuer), "/both", &[&half]).await.status, 403);
}

#[tokio::test]
async fn without_a_token_it_is_401_and_not_403() {
    let issuer = Issuer::new();
    let answer = ask(&app(&issuer), "/role", &[]).await;
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (401, Some("token_missing")));
}

#[tokio::test]
async fn a_requirement_without_the_token_layer_refuses_everyone() {
    let issuer = Issuer::new();
    let admin = bearer(&issuer, json!(["admin"]), json!([]));
    let answer = ask(&app(&issuer), "/forgotten", &[&admin]).await;
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (401, Some("token_missing")));
}
