//! Errors as `application/problem+json` (RFC 9457).

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use fiftyten::protocol::{Code, PROBLEM_MEDIA_TYPE, Problem};

use crate::key::KeyError;
use crate::random::{self, SessionId};
use crate::store::StoreError;
use crate::token::CannotMint;

/// Longest wait in s that a refusal for lack of capacity asks for. Each asks for a random part of it, so
/// that clients which were refused together come back apart.
const RETRY_AFTER_S: u64 = 5;

/// A request that was not served, and what its client is told.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    detail: Option<Cow<'static, str>>,
    session: Option<SessionId>,
    retry_after_s: Option<u64>,
}

impl Failure {
    pub(crate) fn new(code: Code) -> Self {
        let retry_after_s = matches!(code.status(), 429 | 503).then(|| random::up_to(RETRY_AFTER_S));
        Self { code, detail: None, session: None, retry_after_s }
    }

    pub(crate) fn detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn session(self, id: SessionId) -> Self {
        Self { session: Some(id), ..self }
    }

    /// Puts off the client by `seconds`, and a random part of [`RETRY_AFTER_S`] beyond it.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.saturating_add(random::up_to(RETRY_AFTER_S))), ..self }
    }
}

/// No failure of the store says anything about a session: none becomes a 401.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => {
                Self::new(Code::Overloaded).detail("the store has too much to do: try again later")
            }
            StoreError::Unavailable(_) | StoreError::Corrupt(_) | StoreError::EmailTaken => {
                tracing::error!(%error, "the store failed");
                Self::new(Code::Unavailable).detail("the store cannot be used just now: try again later")
            }
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::NoMasterKey(_) | KeyError::OtherMasterKey(_) | KeyError::OtherTime(_) => {
                tracing::error!(%error, "tokens cannot be made");
                Self::new(Code::Unavailable).detail("tokens cannot be made just now: try again later")
            }
        }
    }
}

impl From<CannotMint> for Failure {
    fn from(_: CannotMint) -> Self {
        tracing::error!("a token could not be made: the clock shows a date beyond all tokens");
        Self::new(Code::Internal)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        // Every code's status is a valid one: `every_code_has_its_status` goes through them.
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: self.code.as_str().to_owned(),
            detail: self.detail.map(Cow::into_owned),
            session: self.session.map(|id| id.as_str().to_owned()),
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_MEDIA_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge(self.code) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(self.code);
        response
    }
}

/// What a request lacks to be let through (RFC 6750 section 3: no error where no credential was sent). Only
/// the admin listener's calls have one: a browser would show it to the user.
const fn challenge(code: Code) -> Option<&'static str> {
    match code {
        Code::CredentialMissing => Some(r#"Bearer realm="fiftyten admin""#),
        Code::CredentialInvalid => Some(r#"Bearer realm="fiftyten admin", error="invalid_token""#),
        Code::InsufficientScope => Some(r#"Bearer realm="fiftyten admin", error="insufficient_scope""#),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_status_and_says_when_to_come_back_where_that_helps() {
        for code in Code::ALL {
            let response = Failure::new(code).into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_MEDIA_TYPE);
            let later = matches!(code, Code::RateLimited | Code::Overloaded | Code::Unavailable);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), later, "{code}");
        }
    }

    #[test]
    fn a_failure_of_the_store_never_ends_a_session() {
        for error in [
            StoreError::Busy,
            StoreError::Unavailable(String::new()),
            StoreError::Corrupt(String::new()),
            StoreError::EmailTaken,
        ] {
            assert_eq!(Failure::from(error).into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }

    #[test]
    fn refused_clients_come_back_at_different_times() {
        let wait = |_| Failure::new(Code::Unavailable).retry_after_s.unwrap();
        let waits: std::collections::BTreeSet<_> = (0..200).map(wait).collect();
        assert_eq!(waits.into_iter().collect::<Vec<_>>(), (1..=RETRY_AFTER_S).collect::<Vec<_>>());
    }
}
