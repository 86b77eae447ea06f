//! A check that may have to wait for a key.

use std::pin::Pin;

use crate::claims::Claims;
use crate::error::VerifyError;
use crate::verifier::Verifier;

pub(crate) type CheckFuture = Pin<Box<dyn Future<Output = Result<Claims, VerifyError>> + Send>>;

/// The state of a check. Nothing is allocated for one that is done.
pub(crate) enum Check {
    Done(Result<Claims, VerifyError>),
    /// The key is unknown, and the keys are being fetched.
    #[cfg_attr(not(feature = "fetch"), allow(dead_code, reason = "given keys are never waited for"))]
    Waiting(CheckFuture),
}

impl Verifier {
    /// Checks a token, and fetches the keys where they come from a URL and it is time to.
    pub(crate) fn check(&self, token: &str) -> Check {
        let result = self.verify(token);
        #[cfg(feature = "fetch")]
        if let Some(remote) = self.remote() {
            let seen = self.keys();
            if result == Err(VerifyError::UnknownKey) {
                let (verifier, token) = (self.clone(), token.to_owned());
                return Check::Waiting(Box::pin(async move {
                    // In a task of its own: a caller who gives up must not end it for the others.
                    let _ = tokio::spawn(verifier.clone().refetch(seen)).await;
                    verifier.verify(&token)
                }));
            }
            if remote.is_due() {
                tokio::spawn(self.clone().refetch(seen));
            }
        }
        Check::Done(result)
    }
}
