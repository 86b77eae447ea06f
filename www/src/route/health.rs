//! `/livez` and `/readyz`. They stand at the root, not under the base path, so that a proxy that forwards
//! the base path does not publish them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use fiftyten::protocol::Code;

use crate::problem::Failure;
use crate::server::Shared;
use crate::store::Store;

/// A store that takes longer to answer is not ready.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The process answers.
pub(crate) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The store answers and there is a key to sign with, and so the calls can answer too.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let is_ready = async {
        shared.store.ping().await?;
        shared.keys.fresh().await?;
        Ok(StatusCode::NO_CONTENT)
    };
    match tokio::time::timeout(TIMEOUT, is_ready).await {
        Ok(ready) => ready.map_err(|error: Failure| error).into_response(),
        Err(_) => Failure::new(Code::Unavailable).detail("the store does not answer").into_response(),
    }
}
