//! AWS-LC: the fastest there is (`cargo bench -p fiftyten-verify`). It is C and assembly, and takes a
//! C compiler to build.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};

/// A public key for Ed25519.
#[derive(Clone)]
pub(crate) struct Ed25519(Arc<ParsedPublicKey>);

impl Ed25519 {
    /// From a point that is known to be good: AWS-LC looks at it only when it checks a signature.
    pub(crate) fn new(x: &[u8; 32]) -> Option<Self> {
        ParsedPublicKey::new(&ED25519, x).ok().map(|key| Self(Arc::new(key)))
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// A public key for ECDSA over P-256 with SHA-256.
#[derive(Clone)]
pub(crate) struct P256(Arc<ParsedPublicKey>);

impl P256 {
    /// From an uncompressed point (SEC 1 section 2.3.3). `None` if it is none of the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok().map(|key| Self(Arc::new(key)))
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}
