//! One public key and the algorithm it is pinned to: the only place where signatures are checked.

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::VerifyingKey as Ed25519Key;
use jwt_compact::alg::{Es256, VerifyingKey};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm as _, AlgorithmSignature};
use sha2::Sha256;

type P256Key = <Es256 as jwt_compact::Algorithm>::VerifyingKey;
type P256Signature = <Es256 as jwt_compact::Algorithm>::Signature;

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
///
/// A faster implementation for some target replaces what stands in here, and nothing else.
#[derive(Clone)]
pub(crate) enum PublicKey {
    Ed25519(Ed25519Key),
    P256(P256Key),
}

impl PublicKey {
    /// An Ed25519 key from the `x` of its JWK. `None` if it is no point of the curve, or one of
    /// the few of small order, for which signatures can be made that fit any message.
    pub(crate) fn ed25519(x: &[u8]) -> Option<Self> {
        let key = Ed25519Key::from_bytes(x.try_into().ok()?).ok()?;
        (!key.is_weak()).then_some(Self::Ed25519(key))
    }

    /// A P-256 key from the `x` and `y` of its JWK. `None` if it is no point of the curve.
    pub(crate) fn p256(x: &[u8; 32], y: &[u8; 32]) -> Option<Self> {
        let mut point = [4; 65]; // SEC 1 section 2.3.3: 4 marks the uncompressed form
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        <P256Key as VerifyingKey<Es256>>::from_slice(&point).ok().map(Self::P256)
    }

    /// Whether `signature` is this key's for `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        match self {
            // Strict: exactly one encoding of a signature passes (RFC 8032 section 5.1.7).
            Self::Ed25519(key) => key.verify_strict(message, &signature.into()).is_ok(),
            Self::P256(key) => P256Signature::try_from_slice(signature)
                .is_ok_and(|signature| Es256.verify_signature(&signature, key, message)),
        }
    }

    /// The JWK thumbprint with SHA-256, base64url (RFC 7638): the `kid` of a key that names none.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = match self {
            Self::Ed25519(key) => JsonWebKey::from(key),
            Self::P256(key) => JsonWebKey::from(key),
        };
        Base64UrlUnpadded::encode_string(&jwk.thumbprint::<Sha256>())
    }
}
