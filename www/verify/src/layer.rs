//! The tower layer that lets a request pass with a good token, and puts its claims beside it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::check::{Check, CheckFuture};
use crate::claims::Claims;
use crate::error::VerifyError;
use crate::problem::{Refusal, bearer};
use crate::response::ResponseFuture;
use crate::verifier::Verifier;

/// Requires a token, and puts its [`Claims`](crate::Claims) into the request's extensions.
///
/// A request without a good token is answered 401, with a `WWW-Authenticate` challenge
/// (RFC 6750) and an `application/problem+json` body whose `code` is `token_missing`,
/// `token_expired`, `token_revoked` or `token_invalid`; it is 503 `revocations_unknown` where a verifier with
/// a revocation feed was told to accept nothing while that is silent. It never reaches the service within. The answer carries its
/// [`Refusal`] as an extension, for a layer further out that logs or counts.
///
/// A CORS layer belongs outside of this one: browsers send preflights without a token.
#[derive(Clone, Debug)]
pub struct RequireToken {
    verifier: Verifier,
    optional: bool,
}

impl RequireToken {
    /// Requires a token that `verifier` accepts.
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, optional: false }
    }

    /// Lets requests without a token pass too, without claims. A token that is not good is still
    /// refused: the client believes itself signed in, and has to learn that it is not.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }
}

impl<S> Layer<S> for RequireToken {
    type Service = RequireTokenService<S>;

    fn layer(&self, inner: S) -> RequireTokenService<S> {
        RequireTokenService { inner, layer: self.clone() }
    }
}

/// The service that [`RequireToken`] makes.
#[derive(Clone, Debug)]
pub struct RequireTokenService<S> {
    inner: S,
    layer: RequireToken,
}

impl<S, B, R> Service<Request<B>> for RequireTokenService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = RequireTokenFuture<S, Request<B>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let refuse = |refusal| RequireTokenFuture::answer(ResponseFuture::refused(refusal));
        let check = match bearer(request.headers()) {
            Ok(Some(token)) => self.layer.verifier.check(token),
            Ok(None) if self.layer.optional => {
                let future = self.inner.call(request);
                return RequireTokenFuture::answer(ResponseFuture::passed(future));
            }
            Ok(None) => return refuse(Refusal::TokenMissing),
            Err(refusal) => return refuse(refusal),
        };
        match check {
            Check::Done(result) => RequireTokenFuture::answer(proceed(&mut self.inner, request, result)),
            Check::Waiting(future) => {
                // The service that was found ready is the one to call; the clone takes its place.
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                RequireTokenFuture { state: State::Checking { future, then: Some((service, request)) } }
            }
        }
    }
}

/// Hands the request on with its claims, or refuses it.
fn proceed<S, B>(
    service: &mut S,
    mut request: Request<B>,
    result: Result<Claims, VerifyError>,
) -> ResponseFuture<S::Future>
where
    S: Service<Request<B>>,
{
    match result {
        Ok(claims) => {
            request.extensions_mut().insert(claims);
            ResponseFuture::passed(service.call(request))
        }
        Err(error) => ResponseFuture::refused(Refusal::Token(error)),
    }
}

pin_project! {
    /// The answer of [`RequireToken`].
    pub struct RequireTokenFuture<S, Q>
    where
        S: Service<Q>,
    {
        #[pin]
        state: State<S, Q, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, Q, F> {
        /// The key of the token is being fetched.
        Checking { future: CheckFuture, then: Option<(S, Q)> },
        /// What happens is decided.
        Answer { #[pin] future: ResponseFuture<F> },
    }
}

impl<S: Service<Q>, Q> RequireTokenFuture<S, Q> {
    fn answer(future: ResponseFuture<S::Future>) -> Self {
        Self { state: State::Answer { future } }
    }
}

impl<S, B, R> Future for RequireTokenFuture<S, Request<B>>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Answer { future } => return future.poll(context),
                StateProjection::Checking { future, then } => {
                    let result = ready!(future.as_mut().poll(context));
                    let Some((mut service, request)) = then.take() else { return Poll::Pending };
                    proceed(&mut service, request, result)
                }
            };
            state.set(State::Answer { future: next });
        }
    }
}

impl<S: Service<Q>, Q> fmt::Debug for RequireTokenFuture<S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireTokenFuture").finish_non_exhaustive()
    }
}
