//! The calls of the protocol, as a router.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use fiftyten::protocol::{Code, path};

use crate::access_log;
use crate::cors;
use crate::problem::Failure;
use crate::server::Shared;

pub(crate) mod admin;
mod body;
mod caller;
mod health;
mod keys;
mod refresh;
mod sender;
mod sessions;
mod sign_in;
mod tickets;

/// The protocol's calls under the base path, `/livez` and `/readyz` at the root, and nothing else: to be merged
/// into an app's own router.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    finish(calls(shared), shared)
}

/// The same, with an answer for every other path.
pub(crate) fn standalone(shared: &Arc<Shared>) -> Router {
    finish(calls(shared).fallback(not_found), shared)
}

fn calls(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    let calls = Router::new()
        .route(path::SESSIONS, post(sign_in::open).get(sessions::list).delete(sessions::end_others))
        .route(&format!("{}/{{id}}", path::SESSIONS), delete(sessions::end_one))
        .route(path::SESSION, delete(sessions::sign_out))
        .route(path::TICKETS, post(tickets::redeem))
        .route(path::REFRESH, post(refresh::refresh))
        .route(path::JWKS, get(keys::list))
        .method_not_allowed_fallback(method_not_allowed);
    let calls = match shared.config.base_path.as_str() {
        "" => calls,
        // A nested router does not get the path that ends where its own paths begin.
        base => {
            Router::new().nest(base, calls.fallback(not_found)).route(&format!("{base}/"), any(not_found))
        }
    };
    let probes = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(method_not_allowed);
    calls.layer(middleware::from_fn_with_state(Arc::clone(shared), cors::layer)).merge(probes)
}

fn finish(router: Router<Arc<Shared>>, shared: &Arc<Shared>) -> Router {
    router
        .with_state(Arc::clone(shared))
        .layer(middleware::map_response(plain_headers))
        .layer(middleware::from_fn(access_log::layer))
}

async fn not_found() -> Failure {
    Failure::new(Code::NotFound).detail("there is no such call")
}

async fn method_not_allowed() -> Failure {
    Failure::new(Code::MethodNotAllowed).detail("this call exists with another method: see Allow")
}

/// Nothing may be kept by caches unless a call says otherwise, and nothing is guessed to be a page.
async fn plain_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut or_else = |name: HeaderName, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    or_else(CACHE_CONTROL, "no-store");
    or_else(X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}
