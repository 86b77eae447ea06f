//! The calls of the app's own servers, on a listener of their own. There is no cookie and no browser here: a
//! request is let through by its credential, and by nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{COOKIE, HeaderName, ORIGIN};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use fiftyten::protocol::{Code, path};

use super::{finish, method_not_allowed, not_found};
use crate::problem::Failure;
use crate::server::Shared;

mod guard;
mod revocations;
mod sessions;
mod tickets;

pub(crate) use guard::Guard;

/// What browsers send, and no server does. `Sec-Fetch-Site` gives those away that send no `Origin`.
const OF_BROWSERS: [HeaderName; 3] = [COOKIE, ORIGIN, HeaderName::from_static("sec-fetch-site")];

/// Largest body in bytes. What may be in it takes a third of that, unless all of it is escaped.
const LARGEST_BODY: usize = 16 * 1024;

/// Every call of the admin listener. They stand at the root: the origin is theirs alone.
pub(crate) fn router(shared: &Arc<Shared>) -> Router {
    let calls = Router::new()
        .route(path::ADMIN_TICKETS, post(tickets::issue))
        .route(
            &format!("{}/{{id}}", path::ADMIN_SESSIONS),
            patch(sessions::set_claims).delete(sessions::end_one),
        )
        .route(&format!("{}/{{id}}/sessions", path::ADMIN_USERS), delete(sessions::end_all))
        .route(path::REVOCATIONS, get(revocations::follow))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn(refuse_browsers));
    finish(calls, shared)
}

/// A page must not reach these calls, not even one that was given a credential by mistake: it would be in
/// every visitor's hands.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    match OF_BROWSERS.into_iter().find(|name| request.headers().contains_key(name)) {
        None => next.run(request).await,
        Some(name) => Failure::new(Code::BrowserRejected)
            .detail(format!("the request has the header {name}: these calls are for servers, not for pages"))
            .into_response(),
    }
}
