//! One log line for each call. It holds no header, no body and no query but the refresh's reason.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use fiftyten::protocol::{Code, Reason, path};

/// Logs what was asked, how it ended, and how long it took.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    // The route, not the path: what stands in a path is the client's to choose.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let reason = request.uri().query().and_then(reason);
    let response = next.run(request).await;
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let code = response.extensions().get::<Code>().map_or("-", |code| code.as_str());
    let reason = reason.map_or("-", Reason::as_str);
    let (status, micros) = (response.status().as_u16(), began.elapsed().as_micros() as u64);
    // Probes and key fetches are many, and say little.
    if route.ends_with("z") || route.ends_with(path::JWKS) {
        tracing::debug!(%method, route, status, code, micros, "call");
    } else {
        tracing::info!(%method, route, reason, status, code, micros, "call");
    }
    response
}

fn reason(query: &str) -> Option<Reason> {
    query.split('&').find_map(|pair| pair.strip_prefix("reason=")?.parse().ok())
}
