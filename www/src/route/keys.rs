//! `GET /.well-known/jwks.json`: the public keys.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::server::Shared;

/// Verifiers may keep the keys for five minutes: the time for which a new key is published before it signs.
const CACHEABLE: &str = "public, max-age=300";

pub(crate) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let published = shared.keys.published();
    let caching = [(CACHE_CONTROL, CACHEABLE), (ETAG, published.etag.as_str())];
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).any(|tags| {
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == published.etag || tag == "*")
    });
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    // RFC 7517 section 8.5.2.
    (caching, [(CONTENT_TYPE, "application/jwk-set+json")], published.json.clone()).into_response()
}
