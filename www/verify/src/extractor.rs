//! `Claims` as an axum extractor.

use std::convert::Infallible;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::claims::Claims;
use crate::problem::Refusal;

/// The claims that [`RequireToken`](crate::RequireToken) put into the request. Without them, because
/// no token was sent or because there is no `RequireToken` over this route, the answer is 401
/// `token_missing`: a forgotten layer refuses everyone.
impl<S: Send + Sync> FromRequestParts<S> for Claims {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().cloned().ok_or(Refusal::TokenMissing)
    }
}

/// `None` under [`RequireToken::optional`](crate::RequireToken::optional) where no token was sent.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Claims {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into_http::<Body>()
    }
}
