//! Events and errors on their way to JavaScript. No token is in any of them.

use wasm_bindgen::JsValue;

use crate::action::Notice;
use crate::clock::Millis;
use crate::error::{ErrorCode, Failure};
use crate::event::Refusal;
use crate::protocol::{Reason, SessionRef};
use crate::web::record::{Value, object};

/// Why a held request failed: what `js/errors.js` makes a `SessionError` of.
pub(super) fn failure(code: ErrorCode, failure: Option<Failure>, wait: Option<Millis>) -> JsValue {
    object(&[
        ("code", code.as_str().into()),
        ("failure", failure.map(Failure::as_str).into()),
        ("status", failure.and_then(Failure::status).map(f64::from).into()),
        ("retryAfter", wait.map(|wait| wait.0 as f64).into()),
    ])
}

/// Why a sign-in or a sign-out failed, in the same form; undefined if it did not.
pub(super) fn refusal(refusal: Option<Refusal>) -> JsValue {
    let Some(refusal) = refusal else { return JsValue::UNDEFINED };
    object(&[
        ("code", refusal.code.as_str().into()),
        ("status", refusal.status.map(f64::from).into()),
        ("retryAfter", refusal.retry_after.map(|wait| wait.0 as f64).into()),
        ("detail", refusal.detail.as_deref().into()),
    ])
}

/// The event's type and its `detail`.
pub(super) fn encode(notice: &Notice) -> (&'static str, JsValue) {
    let whose = |session: Option<&SessionRef>, reason: Option<&'static str>| {
        object(&[
            ("reason", reason.into()),
            ("user", session.map(|session| session.user.as_str()).into()),
            ("session", session.map(|session| session.id.as_str()).into()),
        ])
    };
    match notice {
        Notice::Refreshed { reason, took, expires_in } => (
            "refreshed",
            object(&[
                ("reason", reason.map_or("tab", Reason::as_str).into()),
                ("took", Value::Number(took.0 as f64)),
                ("expiresIn", Value::Number(expires_in.0 as f64)),
            ]),
        ),
        Notice::Degraded { failure, reason } => (
            "degraded",
            object(&[
                ("reason", reason.as_str().into()),
                ("failure", failure.as_str().into()),
                ("status", failure.status().map(f64::from).into()),
            ]),
        ),
        Notice::Recovered { failures } => {
            ("recovered", object(&[("failures", Value::Number((*failures).into()))]))
        }
        Notice::SignedIn(account) => ("signedin", whose(Some(account), None)),
        Notice::SignedOut { reason, session } => {
            ("signedout", whose(session.as_ref(), Some(reason.as_str())))
        }
    }
}
