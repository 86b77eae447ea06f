//! Signing out, and the user's list of sessions.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use fiftyten::protocol::{Code, SessionEntry, SessionList};

use super::caller::{Caller, ending};
use crate::problem::Failure;
use crate::random::SessionId;
use crate::server::Shared;
use crate::store::Store;

/// `DELETE /v1/session`. A session that has ended already is signed out: when the answer to the first
/// attempt was lost, the second says the same.
pub(crate) async fn sign_out(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<impl IntoResponse, Failure> {
    let session = caller.find(&shared).await?.session;
    shared.check_clock().await?;
    shared.store.end_session(&session.id, Some(&session.user), caller.received_ms).await?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, shared.cookies.clear())])))
}

/// `GET /v1/sessions`.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<Json<SessionList>, Failure> {
    let current = caller.live(&shared).await?.session;
    let sessions = shared.store.list_sessions(&current.user).await?;
    let entries = sessions
        .into_iter()
        .filter(|session| ending(session, &shared, caller.received_ms).is_none())
        .map(|session| SessionEntry {
            current: session.id == current.id,
            id: session.id.as_str().to_owned(),
            created_at: session.created_at / 1000,
            last_active_at: session.last_active_at / 1000,
            expires_at: session.expires_at / 1000,
            user_agent: session.user_agent,
        });
    Ok(Json(SessionList { sessions: entries.collect() }))
}

/// `DELETE /v1/sessions/{id}`.
pub(crate) async fn end_one(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Failure> {
    let current = caller.live(&shared).await?.session;
    let none = || Failure::new(Code::NotFound).detail("this user has no such session");
    let id = id.ok().and_then(|Path(id)| SessionId::parse(&id)).ok_or_else(none)?;
    if !shared.store.end_session(&id, Some(&current.user), caller.received_ms).await? {
        return Err(none());
    }
    let cleared = (id == current.id).then(|| (SET_COOKIE, shared.cookies.clear()));
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cleared)))
}

/// `DELETE /v1/sessions`: ends all but the one that asks.
pub(crate) async fn end_others(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<StatusCode, Failure> {
    let current = caller.live(&shared).await?.session;
    shared.store.end_sessions(&current.user, Some(&current.id), caller.received_ms).await?;
    Ok(StatusCode::NO_CONTENT)
}
