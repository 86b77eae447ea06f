//! The demo app's own API. What a caller may do is decided by the token alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use fiftyten_server::clock::{Clock, SystemClock};
use fiftyten_server::{Server, SessionId};
use fiftyten_verify::{Claims, RequireToken, Verifier, require_permission, require_role};
use serde::Deserialize;
use serde_json::{Map, Value, json};

struct Demo {
    server: Arc<Server>,
    api_calls: AtomicU64,
    verified: AtomicU64,
}

pub(crate) fn router(server: Arc<Server>, verifier: Verifier) -> Router {
    let demo = Arc::new(Demo { server, api_calls: AtomicU64::new(0), verified: AtomicU64::new(0) });
    let api = Router::new()
        .route("/api/orders", get(orders).layer(require_role("clerk")))
        .route("/api/orders/refund", post(refund).layer(require_permission("orders:refund")))
        .route("/api/payroll", get(payroll).layer(require_role("owner")))
        .route("/api/me", get(me))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&demo), verified))
        .route_layer(RequireToken::new(verifier))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&demo), called));
    let others =
        Router::new().route("/demo/end-elsewhere", post(end_elsewhere)).route("/demo/stats", get(stats));
    api.merge(others).with_state(demo)
}

/// When the verifier was given the request.
#[derive(Clone)]
struct Began(Instant);

/// How long it took, in µs.
#[derive(Clone)]
struct VerifiedIn(f64);

async fn called(State(demo): State<Arc<Demo>>, mut request: Request, next: Next) -> Response {
    demo.api_calls.fetch_add(1, Ordering::Relaxed);
    request.extensions_mut().insert(Began(Instant::now()));
    next.run(request).await
}

/// Only requests with a good token come here.
async fn verified(State(demo): State<Arc<Demo>>, mut request: Request, next: Next) -> Response {
    demo.verified.fetch_add(1, Ordering::Relaxed);
    let micros = request.extensions().get().map_or(0.0, |Began(at): &Began| at.elapsed().as_secs_f64() * 1e6);
    request.extensions_mut().insert(VerifiedIn((micros * 10.0).round() / 10.0));
    next.run(request).await
}

async fn me(claims: Claims, Extension(VerifiedIn(micros)): Extension<VerifiedIn>) -> Json<Value> {
    Json(json!({
        "user": claims.subject(),
        "session": claims.session(),
        "name": claims.extra().get("name"),
        "email": claims.extra().get("email"),
        "roles": claims.roles(),
        "permissions": claims.permissions(),
        "expires_in_ms": claims.expires_in(SystemTime::now()).as_millis() as u64,
        "verified_in_us": micros,
    }))
}

async fn orders() -> Json<Value> {
    Json(json!({ "orders": [
        { "id": 1001, "item": "Kettle", "total": "39.00" },
        { "id": 1002, "item": "Teapot", "total": "24.50" },
    ]}))
}

async fn refund(claims: Claims) -> Json<Value> {
    Json(json!({ "refunded": 1002, "by": claims.subject() }))
}

async fn payroll() -> Json<Value> {
    Json(json!({ "salaries": [] }))
}

#[derive(Deserialize)]
struct Elsewhere {
    session: String,
}

/// Somebody else, on another device, ends this session.
async fn end_elsewhere(
    State(demo): State<Arc<Demo>>,
    Json(Elsewhere { session }): Json<Elsewhere>,
) -> Result<Json<Value>, StatusCode> {
    let id = SessionId::parse(&session).ok_or(StatusCode::NOT_FOUND)?;
    match demo.server.end_session(&id).await {
        Ok(true) => Ok(Json(json!({ "session": session, "acknowledged_at_ms": SystemClock.now_ms() }))),
        Ok(false) => Err(StatusCode::NOT_FOUND),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn stats(State(demo): State<Arc<Demo>>) -> Json<Value> {
    let stats = demo.server.stats();
    let refreshes: Map<_, _> =
        stats.refreshes.iter().map(|(reason, count)| (reason.to_string(), json!(count))).collect();
    Json(json!({
        "refreshes": refreshes,
        "store_reads": stats.store_reads,
        "store_writes": stats.store_writes,
        "api_calls": demo.api_calls.load(Ordering::Relaxed),
        "verified": demo.verified.load(Ordering::Relaxed),
    }))
}
