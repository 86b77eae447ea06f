//! One public key and the algorithm it is pinned to: the only place where signatures are checked.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::backend::{self, edwards};

/// Length of a signature, in bytes, with either algorithm (RFC 8032 section 5.1.6, RFC 7518
/// section 3.4).
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// A value of `alg` that a key can be pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// `EdDSA`: Ed25519 under the name of RFC 8037.
    EdDsa,
    /// `Ed25519`: the same under its fully specified name, RFC 9864.
    Ed25519,
    /// `ES256`: ECDSA over P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// Names are compared exactly: `none`, `NONE`, `eddsa` and `HS256` are all unknown.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "EdDSA" => Some(Self::EdDsa),
            "Ed25519" => Some(Self::Ed25519),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Clone)]
pub(crate) enum PublicKey {
    Ed25519 { x: [u8; 32], key: backend::Ed25519 },
    P256 { x: [u8; 32], y: [u8; 32], key: backend::P256 },
}

impl PublicKey {
    /// An Ed25519 key from the `x` of its JWK. `None` if it is no key that an honest signer has.
    pub(crate) fn ed25519(x: [u8; 32]) -> Option<Self> {
        let key = edwards::is_good_key(&x).then(|| backend::Ed25519::new(&x))??;
        Some(Self::Ed25519 { x, key })
    }

    /// A P-256 key from the `x` and `y` of its JWK. `None` if it is no point of the curve.
    pub(crate) fn p256(x: [u8; 32], y: [u8; 32]) -> Option<Self> {
        let mut point = [4; 65]; // SEC 1 section 2.3.3: 4 marks the uncompressed form
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        backend::P256::new(&point).map(|key| Self::P256 { x, y, key })
    }

    /// Whether `signature` is this key's for `message`.
    ///
    /// With Ed25519, exactly one encoding of a signature passes (RFC 8032 section 5.1.7). With ECDSA
    /// (r, n − s) passes where (r, s) does: signers of JWS make either (RFC 7518 section 3.4).
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        match self {
            Self::Ed25519 { key, .. } => {
                !edwards::is_weak_signature(signature) && key.verify(message, signature)
            }
            Self::P256 { key, .. } => key.verify(message, signature),
        }
    }

    /// The JWK thumbprint with SHA-256, base64url (RFC 7638): the `kid` of a key that names none.
    pub(crate) fn thumbprint(&self) -> String {
        let base64url = Base64UrlUnpadded::encode_string;
        // The required members only, in the order of their names (RFC 7638 section 3.2, RFC 8037
        // section 2).
        let jwk = match self {
            Self::Ed25519 { x, .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, base64url(x)),
            Self::P256 { x, y, .. } => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y))
            }
        };
        base64url(&Sha256::digest(jwk))
    }
}

/// Keys are equal that check the same.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ed25519 { x, .. }, Self::Ed25519 { x: other, .. }) => x == other,
            (Self::P256 { x, y, .. }, Self::P256 { x: other_x, y: other_y, .. }) => {
                x == other_x && y == other_y
            }
            _ => false,
        }
    }
}
