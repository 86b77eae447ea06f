//! `GET /.well-known/jwks.json`: the public keys.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::key::PUBLISHED_FOR_MS;
use crate::problem::Failure;
use crate::server::Shared;

pub(crate) async fn list(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    // Keys that were read too long ago are not given: one of them may have been withdrawn.
    let keys = match shared.keys.fresh().await {
        Ok(keys) => keys,
        Err(error) => return Failure::from(error).into_response(),
    };
    let published = keys.published();
    let cacheable = format!("public, max-age={}", PUBLISHED_FOR_MS / 1000);
    let caching = [(CACHE_CONTROL, cacheable.as_str()), (ETAG, published.etag.as_str())];
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
