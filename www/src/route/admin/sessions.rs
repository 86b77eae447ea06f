//! Sessions of any user.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Path, Request, State};
use axum::http::StatusCode;
use fiftyten::protocol::Code;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::super::body;
use super::LARGEST_BODY;
use super::guard::Admin;
use crate::claims::ClaimsPatch;
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
    let ended = shared.end_session(&id).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(none()) }
}

/// `PATCH /v1/admin/sessions/{id}`: claims from the next refresh on. What is named is replaced as a whole.
pub(crate) async fn set_claims(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    Changed(claims): Changed,
) -> Result<StatusCode, Failure> {
    let none = || Failure::new(Code::NotFound).detail("there is no such session, or it has ended");
    let id = id.ok().and_then(|Path(id)| SessionId::parse(&id)).ok_or_else(none)?;
    let changed = shared.store.set_claims(&id, claims).await?;
    if changed { Ok(StatusCode::NO_CONTENT) } else { Err(none()) }
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
    shared.check_clock().await?;
    shared.store.end_sessions(&user, None, shared.clock.now_ms()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the body changes.
pub(crate) struct Changed(ClaimsPatch);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default, deserialize_with = "given")]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    permissions: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given")]
    claims: Option<Map<String, Value>>,
}

/// So that `null` is a mistake, and not the same as nothing.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl FromRequest<Arc<Shared>> for Changed {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Failure> {
        let bytes = body::json(request, LARGEST_BODY).await?;
        let bad = |why: String| Failure::new(Code::BadRequest).detail(why);
        let body: Body = serde_json::from_slice(&bytes).map_err(|error| {
            let shape = r#"{"roles":["…"],"permissions":["…"],"claims":{}}, each optional"#;
            bad(format!("the body is a JSON object, {shape}: {error}"))
        })?;
        let claims = ClaimsPatch { roles: body.roles, permissions: body.permissions, own: body.claims };
        if claims == ClaimsPatch::default() {
            return Err(bad("the body changes nothing: name roles, permissions or claims".to_owned()));
        }
        claims.check().map_err(|error| bad(error.to_string()))?;
        Ok(Self(claims))
    }
}
