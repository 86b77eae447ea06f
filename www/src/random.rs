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
    ($(#[$doc:meta])* $name:ident; $(#[$parse:meta])* parse = $is:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one: 128 random bits as 32 hexadecimal digits.
            pub fn random() -> Self {
                Self(hex::<16>())
            }

            $(#[$parse])*
            pub fn parse(text: &str) -> Option<Self> {
                let is: fn(&str) -> bool = $is;
                is(text).then(|| Self(text.to_owned()))
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
    SessionId;
    /// Reads one, if `text` has the form that [`random`](Self::random) gives.
    parse = is_hex
}

identifier! {
    /// Names a user: the token's `sub`. Accounts have random ones; users of an app's own sign-in have what the
    /// app calls them.
    UserId;
    /// Reads one: 1 to [`LONGEST_USER_ID`] printable ASCII characters without spaces.
    parse = |text| (1..=LONGEST_USER_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

identifier! {
    /// Names a credential of the admin listener. Not a secret.
    CredentialId;
    /// Reads one, if `text` has the form that [`random`](Self::random) gives.
    parse = is_hex
}

/// Longest user id in bytes: what OpenID Connect allows a `sub` (Core 1.0 section 2).
pub const LONGEST_USER_ID: usize = 255;

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == 32 && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_is_what_an_app_may_call_its_users() {
        for id in
            ["7", "auth0|5f7c", "ada@example.com", "urn:x:1", &"a".repeat(255), UserId::random().as_str()]
        {
            assert_eq!(UserId::parse(id).unwrap().as_str(), id);
        }
        for id in ["", " ", "a b", "a\n", "a\0", "ü", &"a".repeat(256)] {
            assert_eq!(UserId::parse(id), None, "{id:?}");
        }
    }

    #[test]
    fn a_session_id_is_hexadecimal() {
        assert!(SessionId::parse(SessionId::random().as_str()).is_some());
        for id in ["", "7", &"A".repeat(32), &"a".repeat(31), &"a".repeat(33)] {
            assert_eq!(SessionId::parse(id), None, "{id:?}");
        }
    }
}
