//! The answers of a layer that lets a request no further: `application/problem+json` (RFC 9457).

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::error::VerifyError;

/// Why a request was refused.
///
/// The answer has it as an extension. It contains nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 401 `token_missing`: the request has no bearer token.
    TokenMissing,
    /// 401 `token_expired`, `token_revoked` or `token_invalid`: the token was refused. 503
    /// `revocations_unknown` where it could not be checked, with [`VerifyError::FeedSilent`].
    Token(VerifyError),
    /// 401 `token_invalid`: there is more than one `Authorization` header, or it is not ASCII.
    Malformed,
    /// 403 `forbidden`: the user lacks this role.
    RoleMissing(String),
    /// 403 `forbidden`: the user lacks this permission.
    PermissionMissing(String),
}

impl Refusal {
    /// The stable code of the answer's body.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TokenMissing => "token_missing",
            Self::Token(VerifyError::Expired) => "token_expired",
            Self::Token(VerifyError::Revoked) => "token_revoked",
            Self::Token(VerifyError::FeedSilent) => "revocations_unknown",
            Self::Token(_) | Self::Malformed => "token_invalid",
            Self::RoleMissing(_) | Self::PermissionMissing(_) => "forbidden",
        }
    }

    /// The status of the answer.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Token(VerifyError::FeedSilent) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TokenMissing | Self::Token(_) | Self::Malformed => StatusCode::UNAUTHORIZED,
            Self::RoleMissing(_) | Self::PermissionMissing(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The answer.
    pub fn into_http<B: From<String>>(self) -> Response<B> {
        let status = self.status();
        let body = serde_json::to_string(&Problem::of(&self)).unwrap_or_default(); // strings and a number: cannot fail
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.challenge() {
            Some(challenge) => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge)),
            None => headers.insert(RETRY_AFTER, HeaderValue::from_static("1")),
        };
        response.extensions_mut().insert(self);
        response
    }

    /// RFC 6750 section 3: no error where no token was sent. A challenge needs at least one
    /// parameter, so that one names a realm. None where there is nothing wrong with the request.
    const fn challenge(&self) -> Option<&'static str> {
        Some(match self {
            Self::TokenMissing => r#"Bearer realm="session""#,
            Self::Token(VerifyError::FeedSilent) => return None,
            Self::Token(VerifyError::Expired) => {
                r#"Bearer error="invalid_token", error_description="the token has expired""#
            }
            Self::Token(_) | Self::Malformed => r#"Bearer error="invalid_token""#,
            Self::RoleMissing(_) | Self::PermissionMissing(_) => r#"Bearer error="insufficient_scope""#,
        })
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a str>,
}

impl<'a> Problem<'a> {
    fn of(refusal: &'a Refusal) -> Self {
        let (role, permission) = match refusal {
            Refusal::RoleMissing(role) => (Some(role.as_str()), None),
            Refusal::PermissionMissing(permission) => (None, Some(permission.as_str())),
            Refusal::TokenMissing | Refusal::Token(_) | Refusal::Malformed => (None, None),
        };
        let detail = match refusal {
            Refusal::TokenMissing => {
                "this call needs a session token: send `Authorization: Bearer` and the token".to_owned()
            }
            Refusal::Token(error) => error.to_string(),
            Refusal::Malformed => {
                "send one `Authorization` header: `Bearer`, one space and the token".to_owned()
            }
            Refusal::RoleMissing(role) => format!("this call needs the role `{role}`"),
            Refusal::PermissionMissing(permission) => {
                format!("this call needs the permission `{permission}`")
            }
        };
        let status = refusal.status();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            code: refusal.code(),
            detail,
            role,
            permission,
        }
    }
}

/// The bearer token of a request (RFC 6750 section 2.1), `None` if it has none.
///
/// Another scheme is no bearer token. The scheme's case does not matter (RFC 9110 section 11.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::Malformed);
    }
    let value = value.to_str().map_err(|_| Refusal::Malformed)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    Ok(Some(token.trim_start_matches(' '))) // RFC 9110 section 11.4 allows more than one space
}
