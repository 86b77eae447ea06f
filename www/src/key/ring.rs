//! A key set, read: the key that signs, and what is published.

use std::fmt;

use crate::store::{KeyState, StoreError, StoredKey};

use super::jwks::Published;
use super::master::{MasterKeys, Opened};
use super::pair::{KeyPair, SigningAlgorithm};

/// What a server signs with and publishes.
#[derive(Debug)]
pub(crate) struct KeyRing {
    kid: String,
    signing: KeyPair,
    published: Published,
}

/// Why a key set cannot be used. Nothing has been changed then.
#[derive(Debug)]
pub enum KeyError {
    /// The store failed, or holds keys that are none.
    Store(StoreError),
    /// The key of this name is sealed under a master key, and none was given.
    NoMasterKey(String),
    /// The key of this name is sealed under another master key than those that were given.
    OtherMasterKey(String),
    /// The clock of this machine is so many ms ahead of the database's; behind it where that is negative.
    OtherTime(i64),
}

impl From<StoreError> for KeyError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::NoMasterKey(kid) => write!(
                f,
                "the signing key {kid} is sealed, and there is no master key: give the one it was sealed under, \
                 with FIFTYTEN_MASTER_KEY or master_key_file"
            ),
            Self::OtherMasterKey(kid) => write!(
                f,
                "the signing key {kid} is sealed under another master key: give that one too, after the first. \
                 If it is lost, fiftyten-server keys rotate --now makes new signing keys"
            ),
            Self::OtherTime(ahead_ms) => {
                let (by, way) = (ahead_ms.unsigned_abs(), if *ahead_ms > 0 { "ahead of" } else { "behind" });
                write!(
                    f,
                    "the clock of this machine is {by} ms {way} the database's, and tokens would be dated by it: have \
                     both set by NTP"
                )
            }
        }
    }
}

impl std::error::Error for KeyError {}

impl KeyRing {
    /// Reads the keys. Of the private ones, only that which signs is opened.
    pub(super) fn read(keys: &[StoredKey], masters: &MasterKeys) -> Result<Self, KeyError> {
        let mut current = keys.iter().filter(|key| key.state == KeyState::Current);
        let (Some(key), None) = (current.next(), current.next()) else {
            return Err(StoreError::Corrupt("not one signing key is current".to_owned()).into());
        };
        let (kid, signing) = (key.kid.clone(), pair(key, masters)?);
        Ok(Self { kid, signing, published: Published::new(keys)? })
    }

    /// The key that signs.
    pub(crate) fn signing(&self) -> &KeyPair {
        &self.signing
    }

    /// The name of the key that signs.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// What verifiers fetch.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }
}

/// The pair that is kept as `key`.
pub(super) fn pair(key: &StoredKey, masters: &MasterKeys) -> Result<KeyPair, KeyError> {
    let corrupt = || StoreError::Corrupt(format!("signing key {}", key.kid));
    let algorithm = SigningAlgorithm::parse(&key.algorithm).ok_or_else(corrupt)?;
    let opened = open(key, masters)?;
    let private = opened.as_ref().map_or(&key.private, |opened| &opened.private);
    Ok(KeyPair::from_bytes(algorithm, private.expose(), &key.public).ok_or_else(corrupt)?)
}

/// What `key` seals. `None` if it is not sealed.
pub(super) fn open(key: &StoredKey, masters: &MasterKeys) -> Result<Option<Opened>, KeyError> {
    if !key.is_sealed {
        return Ok(None);
    }
    match masters.open(&key.kid, &key.algorithm, key.private.expose()) {
        Some(opened) => Ok(Some(opened)),
        None if masters.is_empty() => Err(KeyError::NoMasterKey(key.kid.clone())),
        None => Err(KeyError::OtherMasterKey(key.kid.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: SigningAlgorithm, state: KeyState) -> StoredKey {
        let pair = KeyPair::generate(algorithm);
        StoredKey {
            kid: pair.thumbprint(),
            algorithm: algorithm.as_str().to_owned(),
            private: pair.private(),
            is_sealed: false,
            public: pair.public().to_vec(),
            state,
            created_at: 1,
            changed_at: 1,
        }
    }

    fn current() -> StoredKey {
        key(SigningAlgorithm::EdDsa, KeyState::Current)
    }

    fn next() -> StoredKey {
        key(SigningAlgorithm::Es256, KeyState::Next)
    }

    fn read(keys: &[StoredKey]) -> Result<KeyRing, KeyError> {
        KeyRing::read(keys, &MasterKeys::default())
    }

    #[test]
    fn the_current_key_signs_and_all_are_published() {
        let keys = [current(), next()];
        let ring = read(&keys).unwrap();
        assert_eq!(ring.kid(), keys[0].kid);
        assert_eq!(ring.signing().public(), keys[0].public);
        let published = &ring.published().json;
        assert!(keys.iter().all(|key| published.contains(&key.kid)), "{published}");
    }

    #[test]
    fn what_is_not_a_key_set_is_refused() {
        let other = current();
        for (what, keys) in [
            ("none", vec![]),
            ("none is current", vec![next()]),
            ("two are current", vec![current(), current()]),
            ("another name", vec![StoredKey { kid: other.kid.clone(), ..current() }, next()]),
            ("another name", vec![current(), StoredKey { kid: other.kid.clone(), ..next() }]),
            ("another public key", vec![StoredKey { public: other.public.clone(), ..current() }]),
            ("a private key of another", vec![StoredKey { private: other.private, ..current() }]),
            ("another algorithm", vec![StoredKey { algorithm: "ES256".to_owned(), ..current() }]),
            ("an unknown algorithm", vec![current(), StoredKey { algorithm: "none".to_owned(), ..next() }]),
            ("half a public key", vec![current(), StoredKey { public: vec![4; 33], ..next() }]),
        ] {
            let refused = read(&keys);
            assert!(matches!(refused, Err(KeyError::Store(StoreError::Corrupt(_)))), "{what}: {refused:?}");
        }
    }
}
