//! Layers that require a role or a permission.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::claims::Claims;
use crate::problem::Refusal;
use crate::response::ResponseFuture;

/// Requires a role of the user whose token [`RequireToken`](crate::RequireToken) verified.
///
/// Without the role the answer is 403, with the `code` `forbidden` and the `role` that is missing.
/// Without claims, because no token was sent or because there is no `RequireToken` further out, it
/// is 401 `token_missing`: a forgotten layer refuses everyone.
pub fn require_role(role: impl Into<Arc<str>>) -> Require {
    Require { what: What::Role(role.into()) }
}

/// Requires a permission of the user whose token [`RequireToken`](crate::RequireToken) verified.
///
/// As [`require_role`], with the `permission` that is missing.
pub fn require_permission(permission: impl Into<Arc<str>>) -> Require {
    Require { what: What::Permission(permission.into()) }
}

/// The layer of [`require_role`] and [`require_permission`].
#[derive(Clone, Debug)]
pub struct Require {
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Role(Arc<str>),
    Permission(Arc<str>),
}

impl Require {
    fn refusal(&self, claims: Option<&Claims>) -> Option<Refusal> {
        let Some(claims) = claims else { return Some(Refusal::TokenMissing) };
        match &self.what {
            What::Role(role) => {
                (!claims.has_role(role)).then(|| Refusal::RoleMissing(role.as_ref().to_owned()))
            }
            What::Permission(permission) => (!claims.has_permission(permission))
                .then(|| Refusal::PermissionMissing(permission.as_ref().to_owned())),
        }
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService { inner, layer: self.clone() }
    }
}

/// The service that [`require_role`] and [`require_permission`] make.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    layer: Require,
}

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.refusal(request.extensions().get::<Claims>()) {
            Some(refusal) => ResponseFuture::refused(refusal),
            None => ResponseFuture::passed(self.inner.call(request)),
        }
    }
}
