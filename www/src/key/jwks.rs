//! The public keys, as verifiers fetch them.

use base64ct::{Base64UrlUnpadded, Encoding};
use jwt_compact::jwk::JsonWebKey;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::pair::{self, SigningAlgorithm};
use crate::store::{self, StoreError, StoredKey};

/// The public keys, as `/.well-known/jwks.json` gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// A JWK Set (RFC 7517 section 5): next, current and retired keys.
    pub json: String,
    /// A strong entity tag, quoted (RFC 9110 section 8.8.3).
    pub etag: String,
}

/// A public key (RFC 7517 section 4).
#[derive(Serialize)]
struct PublicKey<'a> {
    #[serde(flatten)]
    jwk: JsonWebKey<'a>,
    kid: &'a str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl Published {
    /// All of `keys`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] if one of them is no key, or not the one that it is called.
    pub(super) fn new(keys: &[StoredKey]) -> store::Result<Self> {
        let keys = keys.iter().map(public).collect::<store::Result<Vec<_>>>()?;
        let json = serde_json::to_string(&serde_json::json!({ "keys": keys }))
            .map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let etag = format!("\"{}\"", Base64UrlUnpadded::encode_string(&Sha256::digest(&json)[..12]));
        Ok(Self { json, etag })
    }
}

fn public(key: &StoredKey) -> store::Result<PublicKey<'_>> {
    (|| {
        let algorithm = SigningAlgorithm::parse(&key.algorithm)?;
        let jwk = pair::jwk(algorithm, &key.public)?;
        let kid = (pair::thumbprint(&jwk) == key.kid).then_some(&*key.kid)?;
        Some(PublicKey { jwk, kid, alg: algorithm.as_str(), usage: "sig" })
    })()
    .ok_or_else(|| StoreError::Corrupt(format!("signing key {}", key.kid)))
}
