//! Master keys: what the private keys in the database are encrypted under.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Length of a master key, in bytes.
const LENGTH: usize = 32;

/// Authenticated with what is sealed, so that a ciphertext can stand in for no other.
const PURPOSE: &[u8] = b"fiftyten signing key 1";

/// Keys of 256 bits. The first seals; each opens what it has sealed.
///
/// A private key is sealed with AES-256-GCM (NIST SP 800-38D) by AWS-LC under a random nonce of 96 bits, and
/// with it its `kid` and its algorithm are authenticated. (Under one key, 2³² seals with random nonces are
/// safe, section 8.3 there; here it is a few for each rotation.)
#[derive(Default)]
pub struct MasterKeys(Vec<RandomizedNonceKey>);

impl MasterKeys {
    /// Reads one or more, each 64 hexadecimal digits, with space or line breaks in between.
    ///
    /// # Errors
    ///
    /// What is wrong, without repeating any of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split_whitespace().map(|word| {
            let bytes = hex(word).ok_or(
                "is not a master key, 64 hexadecimal digits (or several, with space \
                                         in between): make one with openssl rand -hex 32",
            )?;
            RandomizedNonceKey::new(&AES_256_GCM, &*bytes).map_err(|_| "cannot be used by AWS-LC")
        });
        let keys = keys.collect::<Result<Vec<_>, &str>>()?;
        if keys.is_empty() {
            return Err("is empty: make a master key with openssl rand -hex 32".to_owned());
        }
        Ok(Self(keys))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `private`, sealed under the first master key: nonce, ciphertext, tag. As it is, where there is none.
    pub(super) fn seal(&self, kid: &str, algorithm: &str, private: Secret<Vec<u8>>) -> Sealed {
        let Some(first) = self.0.first() else {
            return Sealed { bytes: private, is_sealed: false };
        };
        // With room for the tag: else it would be moved, and the plaintext stay where it was.
        let mut text = Zeroizing::new(Vec::with_capacity(private.expose().len() + AES_256_GCM.tag_len()));
        text.extend_from_slice(private.expose());
        let nonce = first.seal_in_place_append_tag(context(kid, algorithm), &mut *text);
        let nonce = nonce.expect("AWS-LC seals 32 bytes where there is entropy");
        Sealed { bytes: Secret::new([nonce.as_ref().as_slice(), &text].concat()), is_sealed: true }
    }

    /// What was sealed. `None` where no master key opens it.
    pub(super) fn open(&self, kid: &str, algorithm: &str, sealed: &[u8]) -> Option<Opened> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        self.0.iter().enumerate().find_map(|(place, key)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = Zeroizing::new(text.to_vec());
            let private = key.open_in_place(nonce, context(kid, algorithm), &mut text).ok()?;
            Some(Opened { private: Secret::new(private.to_vec()), by_the_first: place == 0 })
        })
    }
}

/// A private key as it is kept.
pub(super) struct Sealed {
    pub(super) bytes: Secret<Vec<u8>>,
    pub(super) is_sealed: bool,
}

/// A private key that was sealed.
pub(super) struct Opened {
    pub(super) private: Secret<Vec<u8>>,
    /// Whether it was sealed under the first master key.
    pub(super) by_the_first: bool,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} master keys]", self.0.len())
    }
}

fn context(kid: &str, algorithm: &str) -> Aad<Vec<u8>> {
    // No part holds a zero byte, so no two sets of parts look the same.
    Aad::from([PURPOSE, algorithm.as_bytes(), kid.as_bytes()].join(&0))
}

fn hex(text: &str) -> Option<Zeroizing<[u8; LENGTH]>> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    if text.len() != 2 * LENGTH {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
    const OTHER: &str = "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn masters(text: &str) -> MasterKeys {
        MasterKeys::parse(text).unwrap()
    }

    fn private() -> Secret<Vec<u8>> {
        Secret::new(vec![7; 32])
    }

    #[test]
    fn what_one_seals_is_opened_by_it_wherever_it_stands_and_by_no_other() {
        let sealed = masters(ONE).seal("k", "EdDSA", private());
        assert!(sealed.is_sealed);
        assert_eq!(sealed.bytes.expose().len(), 12 + 32 + 16);
        let by_the_first = |text: &str| {
            let opened = masters(text).open("k", "EdDSA", sealed.bytes.expose())?;
            assert_eq!(opened.private.expose(), &[7; 32]);
            Some(opened.by_the_first)
        };
        assert_eq!(by_the_first(ONE), Some(true));
        assert_eq!(by_the_first(&ONE.to_ascii_lowercase()), Some(true));
        assert_eq!(by_the_first(&format!("{OTHER}\n{ONE}\n")), Some(false));
        assert_eq!(by_the_first(OTHER), None);
        assert!(MasterKeys::default().open("k", "EdDSA", sealed.bytes.expose()).is_none());
    }

    #[test]
    fn a_seal_is_for_one_key_only_and_no_bit_of_it_can_be_changed() {
        let masters = masters(ONE);
        let sealed = masters.seal("k", "EdDSA", private()).bytes.expose().clone();
        assert!(masters.open("k2", "EdDSA", &sealed).is_none());
        assert!(masters.open("k", "ES256", &sealed).is_none());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(masters.open("k", "EdDSA", &changed).is_none(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(masters.open("k", "EdDSA", &sealed[..length]).is_none(), "{length} bytes");
        }
    }

    #[test]
    fn no_two_seals_are_the_same_and_none_shows_the_key() {
        let seals: std::collections::BTreeSet<_> =
            (0..100).map(|_| masters(ONE).seal("k", "EdDSA", private()).bytes.expose().clone()).collect();
        assert_eq!(seals.len(), 100);
        assert!(!seals.iter().any(|seal| seal.windows(8).any(|window| window == [7; 8])));
    }

    #[test]
    fn without_a_master_key_a_private_key_stays_as_it_is() {
        let kept = MasterKeys::default().seal("k", "EdDSA", private());
        assert!(!kept.is_sealed);
        assert_eq!(kept.bytes.expose(), &[7; 32]);
    }

    #[test]
    fn what_is_no_master_key_is_refused_without_being_repeated() {
        for text in
            ["", " \n", &ONE[1..], &format!("{ONE}0"), &ONE.replace('0', "g"), &format!("{ONE},{OTHER}")]
        {
            let why = MasterKeys::parse(text).unwrap_err();
            assert!(why.contains("openssl rand -hex 32") && !why.contains("112233"), "{why}");
        }
        let unicode = "é".repeat(32);
        assert!(MasterKeys::parse(&unicode).is_err());
        assert_eq!(format!("{:?}", masters(&format!("{ONE} {OTHER}"))), "[2 master keys]");
    }
}
