//! Sessions of any user.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use fiftyten::protocol::Code;

use super::guard::Admin;
use crate::problem::Failure;
use crate::random::{LONGEST_USER_ID, SessionId, UserId};
use crate::server::Shared;
use crate::store::Store;

/// `DELETE /v1/admin/sessions/{id}`. As with the user's own call, one that has ended already has ended.
pub(crate) async fn end_one(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let none = || Failure::new(Code::NotFound).detail("there is no such session");
    let id = id.ok().and_then(|Path(id)| SessionId::parse(&id)).ok_or_else(none)?;
    let ended = shared.store.end_session(&id, None, shared.clock.now_ms()).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(none()) }
}

/// `DELETE /v1/admin/users/{id}/sessions`. There need not be any: the app knows its users, we know who has
/// sessions.
pub(crate) async fn end_all(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Failure> {
    let user = id.ok().and_then(|Path(id)| UserId::parse(&id)).ok_or_else(|| {
        let detail = format!("a user id has 1 to {LONGEST_USER_ID} printable ASCII characters, no spaces");
        Failure::new(Code::BadRequest).detail(detail)
    })?;
    shared.store.end_sessions(&user, None, shared.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}
