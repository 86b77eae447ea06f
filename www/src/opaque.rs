//! Secrets that mean nothing but by what the store keeps beside their hash: session cookies, tickets, and the
//! credentials of the admin listener.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random;
use crate::store::SecretHash;

/// Length in bytes of a secret's text: 32 bytes as base64url without padding.
pub(crate) const TEXT_LENGTH: usize = 43;

/// 256 random bits. It does not print.
///
/// The store finds it by its SHA-256. A fast hash is enough, because there is no guessing a secret of this
/// size; and looking for a hash tells nothing by its time, because nobody can choose what a hash begins with
/// and learn the secret from it.
pub(crate) struct OpaqueSecret(Zeroizing<[u8; 32]>);

impl OpaqueSecret {
    pub(crate) fn random() -> Self {
        Self(Zeroizing::new(random::bytes()))
    }

    /// `None` unless `text` is the one text that stands for its 32 bytes.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        let text = (text.len() == TEXT_LENGTH).then_some(text)?;
        let length = Base64UrlUnpadded::decode(text, &mut *secret).ok()?.len();
        (length == secret.len()).then_some(Self(secret))
    }

    /// The text that stands for it.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(Base64UrlUnpadded::encode_string(&*self.0))
    }

    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_slice()).into())
    }
}

impl fmt::Debug for OpaqueSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
