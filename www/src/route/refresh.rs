//! `POST /v1/refresh`: where the signature and the session's row meet.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use fiftyten::protocol::{Code, Reason, RefreshBody};
use serde::Deserialize;

use super::caller::Caller;
use crate::problem::Failure;
use crate::server::Shared;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    reason: Reason,
    #[serde(default)]
    active: Flag,
}

/// `0` or `1`.
#[derive(Default, Deserialize, PartialEq)]
enum Flag {
    #[default]
    #[serde(rename = "0")]
    No,
    #[serde(rename = "1")]
    Yes,
}

pub(crate) async fn refresh(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<RefreshBody>, Failure> {
    let Query(parameters) = parameters.map_err(|_| {
        let words = Reason::ALL.map(Reason::as_str).join("|");
        Failure::new(Code::BadRequest).detail(format!("the query is ?reason={words}&active=0|1"))
    })?;
    let found = caller.live(&shared).await?;
    let session = &found.session;
    let keys = shared.keys.fresh().await?;
    let body = shared.minter.mint(&keys, &session.user, &found.claims, &session.id, caller.received_ms)?;
    if parameters.active == Flag::Yes {
        shared.activity.note(session, caller.received_ms);
    }
    shared.refreshes.count(parameters.reason);
    Ok(Json(body))
}
