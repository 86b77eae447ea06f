//! Entropy, and the identifiers and jitter made from it.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;

/// `N` bytes from the operating system's generator.
///
/// # Panics
///
/// Where the operating system has no entropy to give: nothing safe can be done without it.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives entropy");
    bytes
}

/// A number from 1 to `most`, for `Retry-After` and the like: those that were refused together come back apart.
pub(crate) fn up_to(most: u64) -> u64 {
    1 + u64::from_le_bytes(bytes()) % most.max(1)
}

/// `N` random bytes as hexadecimal digits.
pub(crate) fn hex<const N: usize>() -> String {
    bytes::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 24 random bytes as base64url: a password for an account that a program makes.
pub fn password() -> String {
    Base64UrlUnpadded::encode_string(&bytes::<24>())
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one: 128 random bits as 32 hexadecimal digits.
            pub fn random() -> Self {
                Self(hex::<16>())
            }

            /// Reads one, if `text` has the form that [`random`](Self::random) gives.
            pub fn parse(text: &str) -> Option<Self> {
                let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                (text.len() == 32 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// Names a session: the token's `sid`. Not a secret, and no credential.
    SessionId
}

identifier! {
    /// Names a user: the token's `sub`.
    UserId
}
