//! `POST /v1/admin/tickets`: an app with its own sign-in vouches for a user it has authenticated.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use fiftyten::protocol::{Code, IssuedTicket};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::body;
use super::LARGEST_BODY;
use super::guard::Admin;
use crate::claims::Claims;
use crate::opaque::OpaqueSecret;
use crate::problem::Failure;
use crate::random::{LONGEST_USER_ID, UserId};
use crate::server::Shared;
use crate::store::{Store, Ticket};

/// How long a ticket is good, in ms: from the app's server to its page, and back to us.
const LIFETIME_MS: u64 = 60_000;

pub(crate) async fn issue(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    Vouched { user, claims }: Vouched,
) -> Result<(StatusCode, Json<IssuedTicket>), Failure> {
    shared.check_clock().await?;
    let secret = OpaqueSecret::random();
    let ticket = Ticket { user, claims, expires_at: shared.clock.now_ms() + LIFETIME_MS };
    shared.store.add_ticket(ticket, secret.hash()).await?;
    let issued = IssuedTicket { ticket: secret.text().to_string(), expires_in_ms: LIFETIME_MS };
    Ok((StatusCode::CREATED, Json(issued)))
}

/// Whom the app vouches for.
pub(crate) struct Vouched {
    user: UserId,
    claims: Claims,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    user: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

impl FromRequest<Arc<Shared>> for Vouched {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Failure> {
        let bytes = body::json(request, LARGEST_BODY).await?;
        let bad = |why: String| Failure::new(Code::BadRequest).detail(why);
        let body: Body = serde_json::from_slice(&bytes).map_err(|error| {
            let shape =
                r#"{"user":"…","roles":["…"],"permissions":["…"],"claims":{}}, all but user optional"#;
            bad(format!("the body is a JSON object, {shape}: {error}"))
        })?;
        let user = UserId::parse(&body.user).ok_or_else(|| {
            bad(format!("user has 1 to {LONGEST_USER_ID} printable ASCII characters, no spaces"))
        })?;
        let claims = Claims { roles: body.roles, permissions: body.permissions, own: body.claims };
        claims.check().map_err(|error| bad(error.to_string()))?;
        Ok(Self { user, claims })
    }
}
