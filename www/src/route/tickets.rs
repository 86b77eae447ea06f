//! `POST /v1/tickets`: sign-in with a ticket, which the app's own server was given for a user it vouches for.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use fiftyten::protocol::{Code, TicketSignIn};
use zeroize::Zeroizing;

use super::body;
use super::caller::Caller;
use super::sender::Sender;
use crate::opaque::OpaqueSecret;
use crate::problem::Failure;
use crate::server::Shared;
use crate::store::{Redemption, Store};

/// Largest body in bytes.
const LARGEST_BODY: usize = 1024;

pub(crate) async fn redeem(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    sender: Sender,
    Presented(ticket): Presented,
) -> Result<impl IntoResponse, Failure> {
    let subscriber = sender.subscriber;
    shared.address_limit.take(subscriber, caller.received_ms).map_err(|retry_after_s| {
        Failure::new(Code::RateLimited)
            .detail("too many attempts to sign in: try again later")
            .retry_after(retry_after_s)
    })?;
    let refused = || {
        Failure::new(Code::InvalidCredentials)
            .detail("the ticket was used before, has expired, or never was one: ask the app for another")
    };
    let ticket = OpaqueSecret::parse(ticket.as_bytes()).ok_or_else(refused)?.hash();
    let found = shared.store.find_ticket(&ticket).await?.ok_or_else(refused)?;
    let (secret, at) = (OpaqueSecret::random(), caller.received_ms);
    let session = sender.session(&shared, found.user, at);
    let keys = shared.keys_since(at).await?;
    let body = shared.minter.mint(&keys, &session.user, &found.claims, &session.id, at)?;
    // What was read of the ticket does not change. Whether it is still good is decided here.
    let redeemed = shared.store.redeem_ticket(Redemption {
        ticket,
        session,
        secret: secret.hash(),
        replaces: caller.secret.map(|secret| secret.hash()),
    });
    if !redeemed.await? {
        return Err(refused());
    }
    shared.address_limit.refund(&subscriber);
    let cookie = shared.cookies.set(&secret);
    Ok((StatusCode::CREATED, AppendHeaders([(SET_COOKIE, cookie)]), Json(body)))
}

/// The ticket of the body.
pub(crate) struct Presented(Zeroizing<String>);

impl FromRequest<Arc<Shared>> for Presented {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &Arc<Shared>) -> Result<Self, Failure> {
        let bytes = body::json(request, LARGEST_BODY).await?;
        let TicketSignIn { ticket } = serde_json::from_slice(&bytes).map_err(|_| {
            Failure::new(Code::BadRequest).detail(r#"the body is a JSON object: {"ticket":"…"}"#)
        })?;
        Ok(Self(Zeroizing::new(ticket)))
    }
}
