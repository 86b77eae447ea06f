//! The future of this crate's services.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

use crate::problem::Refusal;

pin_project! {
    /// The answer of the service within, or a refusal.
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        refusal: Option<Refusal>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn passed(inner: F) -> Self {
        Self { inner: Some(inner), refusal: None }
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self { inner: None, refusal: Some(refusal) }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<String>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.project();
        if let Some(refusal) = state.refusal.take() {
            return Poll::Ready(Ok(refusal.into_http()));
        }
        match state.inner.as_pin_mut() {
            Some(inner) => inner.poll(context),
            None => Poll::Pending, // polled again after its answer, which no executor does
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("refusal", &self.refusal).finish_non_exhaustive()
    }
}
