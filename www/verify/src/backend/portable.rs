//! curve25519-dalek and p256: pure Rust, for WebAssembly.

use ed25519_dalek::VerifyingKey;
use p256::ecdsa::signature::Verifier;

/// A public key for Ed25519.
#[derive(Clone)]
pub(crate) struct Ed25519(VerifyingKey);

impl Ed25519 {
    /// From a point that is known to be good.
    pub(crate) fn new(x: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(x).ok().map(Self)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &signature.into()).is_ok()
    }
}

/// A public key for ECDSA over P-256 with SHA-256.
#[derive(Clone)]
pub(crate) struct P256(p256::ecdsa::VerifyingKey);

impl P256 {
    /// From an uncompressed point (SEC 1 section 2.3.3). `None` if it is none of the curve.
    pub(crate) fn new(point: &[u8; 65]) -> Option<Self> {
        p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(Self)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        p256::ecdsa::Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}
