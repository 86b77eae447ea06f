//! Signing keys: making them, signing with the current one, publishing all of them.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{SigningKey, VerifyingKey};
use jwt_compact::jwk::JsonWebKey;
use serde::Serialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random;
use crate::secret::Secret;
use crate::store::{self, KeyState, Store, StoreError, StoredKey};

/// JWS `alg` of Ed25519 (RFC 8037 section 3.1).
pub const ALGORITHM: &str = "EdDSA";

/// The keys of a running server.
pub struct KeyRing {
    kid: String,
    signing: SigningKey,
    published: Published,
}

/// The public keys, as `/.well-known/jwks.json` gives them.
#[derive(Clone, Debug)]
pub struct Published {
    /// A JWK Set (RFC 7517 section 5): next, current and retired keys.
    pub json: String,
    /// A strong entity tag, quoted (RFC 9110 section 8.8.3).
    pub etag: String,
}

/// A public key (RFC 7517; RFC 8037 section 2).
#[derive(Serialize)]
struct PublicKey<'a> {
    kty: &'static str,
    crv: &'static str,
    x: String,
    kid: &'a str,
    alg: &'a str,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl KeyRing {
    /// Reads the keys, and makes the first two where there are none: one to sign with, and the one after
    /// it, which is published from the start so that every verifier knows it before it signs.
    ///
    /// # Errors
    ///
    /// The store's, and [`StoreError::Corrupt`] if there is no current key or one cannot be read.
    pub async fn load(store: &dyn Store, now_ms: u64) -> store::Result<Self> {
        let mut keys = store.list_keys().await?;
        if keys.is_empty() {
            let first = vec![generate(KeyState::Current, now_ms), generate(KeyState::Next, now_ms)];
            store.add_first_keys(first).await?;
            keys = store.list_keys().await?;
        }
        let current = keys.iter().find(|key| key.state == KeyState::Current);
        let current = current.ok_or_else(|| StoreError::Corrupt("no signing key is current".to_owned()))?;
        Ok(Self { kid: current.kid.clone(), signing: signing_key(current)?, published: publish(&keys)? })
    }

    /// The key that signs.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The name of the key that signs.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What verifiers fetch.
    pub fn published(&self) -> &Published {
        &self.published
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn generate(state: KeyState, now_ms: u64) -> StoredKey {
    let seed = Zeroizing::new(random::bytes::<32>());
    let public = SigningKey::from_bytes(&seed).verifying_key();
    StoredKey {
        kid: thumbprint(&public),
        algorithm: ALGORITHM.to_owned(),
        private: Secret::new(seed.to_vec()),
        public: public.as_bytes().to_vec(),
        state,
        created_at: now_ms,
    }
}

/// RFC 7638, with SHA-256.
fn thumbprint(key: &VerifyingKey) -> String {
    Base64UrlUnpadded::encode_string(&JsonWebKey::from(key).thumbprint::<Sha256>())
}

fn signing_key(key: &StoredKey) -> store::Result<SigningKey> {
    let corrupt = || StoreError::Corrupt(format!("signing key {}", key.kid));
    let seed: &[u8; 32] = key.private.expose().as_slice().try_into().map_err(|_| corrupt())?;
    let signing = SigningKey::from_bytes(seed);
    let consistent = key.algorithm == ALGORITHM
        && signing.verifying_key().as_bytes() == key.public.as_slice()
        && thumbprint(&signing.verifying_key()) == key.kid;
    if consistent { Ok(signing) } else { Err(corrupt()) }
}

fn publish(keys: &[StoredKey]) -> store::Result<Published> {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| PublicKey {
            kty: "OKP",
            crv: "Ed25519",
            x: Base64UrlUnpadded::encode_string(&key.public),
            kid: &key.kid,
            alg: &key.algorithm,
            usage: "sig",
        })
        .collect();
    let json = serde_json::to_string(&serde_json::json!({ "keys": keys }))
        .map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let etag = format!("\"{}\"", Base64UrlUnpadded::encode_string(&Sha256::digest(&json)[..12]));
    Ok(Published { json, etag })
}
