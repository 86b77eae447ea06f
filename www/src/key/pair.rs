//! Key pairs and the algorithms they sign with, by AWS-LC, for jwt-compact's trait.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;

use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, UnparsedPublicKey,
};
use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmSignature};
use sha2::Sha256;

use crate::secret::Secret;

/// Length of a signature, in bytes, with either algorithm (RFC 8032 section 5.1.6, RFC 7518 section 3.4).
const SIGNATURE_LENGTH: usize = 64;

/// Why a `Result` of AWS-LC's is not passed on.
const NO_ENTROPY: &str = "AWS-LC has entropy and memory: nothing safe can be done without";

/// What tokens are signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8037): the default. The same message has the same signature.
    #[default]
    EdDsa,
    /// ECDSA over P-256 with SHA-256 (RFC 7518 section 3.4), for verifiers that have no Ed25519.
    Es256,
}

impl SigningAlgorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// Its name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// Reads that name, to the letter.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A private key and its public one. It does not print; AWS-LC overwrites the memory it frees.
pub enum KeyPair {
    /// For `EdDSA`.
    Ed25519(Ed25519KeyPair),
    /// For `ES256`.
    P256(EcdsaKeyPair),
}

impl KeyPair {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Where the operating system has no entropy to give.
    pub fn generate(algorithm: SigningAlgorithm) -> Self {
        match algorithm {
            SigningAlgorithm::EdDsa => Self::Ed25519(Ed25519KeyPair::generate().expect(NO_ENTROPY)),
            SigningAlgorithm::Es256 => {
                Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect(NO_ENTROPY))
            }
        }
    }

    /// From what [`private`](Self::private) and [`public`](Self::public) gave. `None` if they are no keys, or
    /// do not belong together.
    pub fn from_bytes(algorithm: SigningAlgorithm, private: &[u8], public: &[u8]) -> Option<Self> {
        match algorithm {
            SigningAlgorithm::EdDsa => {
                Ed25519KeyPair::from_seed_and_public_key(private, public).ok().map(Self::Ed25519)
            }
            SigningAlgorithm::Es256 => EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                private,
                public,
            )
            .ok()
            .map(Self::P256),
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Ed25519(_) => SigningAlgorithm::EdDsa,
            Self::P256(_) => SigningAlgorithm::Es256,
        }
    }

    /// The private key, 32 bytes: the seed of RFC 8032 section 5.1.5, or the scalar, big-endian.
    pub fn private(&self) -> Secret<Vec<u8>> {
        Secret::new(match self {
            Self::Ed25519(pair) => {
                let seed = pair.seed().expect(NO_ENTROPY);
                let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().expect(NO_ENTROPY);
                seed.as_ref().to_vec()
            }
            Self::P256(pair) => {
                let scalar: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().expect(NO_ENTROPY);
                scalar.as_ref().to_vec()
            }
        })
    }

    /// The public key: the 32 bytes of RFC 8032, or the 65 of an uncompressed point (SEC 1 section 2.3.3).
    pub fn public(&self) -> &[u8] {
        match self {
            Self::Ed25519(pair) => pair.public_key().as_ref(),
            Self::P256(pair) => pair.public_key().as_ref(),
        }
    }

    /// The `kid`: the thumbprint of the public key (RFC 7638, with SHA-256).
    pub fn thumbprint(&self) -> String {
        let jwk = jwk(self.algorithm(), self.public()).expect("a pair's public key is one");
        thumbprint(&jwk)
    }

    /// The signature of `message`, 64 bytes.
    ///
    /// # Panics
    ///
    /// Where AWS-LC has no memory, or no entropy for `ES256`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = match self {
            Self::Ed25519(pair) => pair.try_sign(message),
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message),
        };
        let signature = signature.expect(NO_ENTROPY);
        Signature(signature.as_ref().try_into().expect("either algorithm makes 64 bytes"))
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.algorithm()).finish()
    }
}

/// The members of a JWK that make the key (RFC 7517; RFC 8037 section 2, RFC 7518 section 6.2). `None` if the
/// bytes have not the length of a public key.
pub(super) fn jwk(algorithm: SigningAlgorithm, public: &[u8]) -> Option<JsonWebKey<'_>> {
    match (algorithm, public) {
        (SigningAlgorithm::EdDsa, x) if x.len() == 32 => {
            Some(JsonWebKey::KeyPair { curve: "Ed25519".into(), x: x.into(), secret: None })
        }
        (SigningAlgorithm::Es256, [4, point @ ..]) if point.len() == 64 => {
            let (x, y) = point.split_at(32);
            let curve = "P-256".into();
            Some(JsonWebKey::EllipticCurve { curve, x: x.into(), y: y.into(), secret: None })
        }
        _ => None,
    }
}

/// RFC 7638, with SHA-256.
pub(super) fn thumbprint(jwk: &JsonWebKey<'_>) -> String {
    Base64UrlUnpadded::encode_string(&jwk.thumbprint::<Sha256>())
}

/// A signature, 64 bytes.
pub struct Signature([u8; SIGNATURE_LENGTH]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

impl AlgorithmSignature for Signature {
    const LENGTH: Option<NonZeroUsize> = NonZeroUsize::new(SIGNATURE_LENGTH);

    fn try_from_slice(bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(bytes.try_into()?))
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

/// So that [`KeyPair::algorithm`] can be handed to jwt-compact, and the pair with it.
impl Algorithm for SigningAlgorithm {
    type SigningKey = KeyPair;
    type VerifyingKey = Vec<u8>;
    type Signature = Signature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.as_str())
    }

    fn sign(&self, key: &KeyPair, message: &[u8]) -> Signature {
        debug_assert_eq!(*self, key.algorithm(), "the header would name another algorithm");
        key.sign(message)
    }

    fn verify_signature(&self, signature: &Signature, public: &Vec<u8>, message: &[u8]) -> bool {
        let checked = match self {
            Self::EdDsa => UnparsedPublicKey::new(&ED25519, public).verify(message, &signature.0),
            Self::Es256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, &signature.0)
            }
        };
        checked.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_comes_back_from_its_bytes_and_signs_the_same() {
        for algorithm in SigningAlgorithm::ALL {
            let pair = KeyPair::generate(algorithm);
            let (private, public) = (pair.private(), pair.public().to_vec());
            assert_eq!(private.expose().len(), 32);
            let again = KeyPair::from_bytes(algorithm, private.expose(), &public).unwrap();
            assert!(algorithm.verify_signature(&again.sign(b"message"), &public, b"message"));
            assert!(!algorithm.verify_signature(&again.sign(b"message"), &public, b"another"));
            let other = KeyPair::generate(algorithm);
            assert!(KeyPair::from_bytes(algorithm, private.expose(), other.public()).is_none());
            assert!(KeyPair::from_bytes(algorithm, &private.expose()[1..], &public).is_none());
            assert!(KeyPair::from_bytes(algorithm, private.expose(), &public[1..]).is_none());
        }
    }

    #[test]
    fn a_pair_of_one_algorithm_is_none_of_the_other() {
        let [ed25519, p256] = SigningAlgorithm::ALL.map(KeyPair::generate);
        let es256 = SigningAlgorithm::Es256;
        assert!(KeyPair::from_bytes(es256, ed25519.private().expose(), ed25519.public()).is_none());
        let eddsa = SigningAlgorithm::EdDsa;
        assert!(KeyPair::from_bytes(eddsa, p256.private().expose(), p256.public()).is_none());
        assert!(jwk(eddsa, p256.public()).is_none() && jwk(es256, ed25519.public()).is_none());
    }

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn ed25519_signs_as_its_standard_says() {
        let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let pair = KeyPair::from_bytes(SigningAlgorithm::EdDsa, &seed, &public).unwrap();
        let signature = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(pair.sign(&[0x72]).0.to_vec(), hex(signature));
    }

    /// RFC 8037 appendix A.3, and RFC 7638 section 3.
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let x = Base64UrlUnpadded::decode_vec("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let jwk = jwk(SigningAlgorithm::EdDsa, &x).unwrap();
        assert_eq!(thumbprint(&jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn no_private_key_is_printed() {
        for algorithm in SigningAlgorithm::ALL {
            let pair = KeyPair::generate(algorithm);
            assert_eq!(format!("{pair:?}"), format!("KeyPair({algorithm:?})"));
            assert_eq!(format!("{:?}", pair.private()), "[secret]");
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
    }
}
