//! The key set of an issuer (RFC 7517).

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use crate::error::KeySetError;
use crate::json::{self, Present};
use crate::key::{Algorithm, PublicKey};

/// The longest JWKS that is read, in bytes.
pub const MAX_JWKS_BYTES: usize = 64 * 1024;

/// The most keys of a key set. An issuer has a current, a next and a few recent ones.
pub const MAX_KEYS: usize = 32;

/// The longest `kid`, in bytes. A thumbprint has 43.
pub(crate) const MAX_KEY_ID_BYTES: usize = 128;

/// The public keys that tokens are checked with, read from a JWKS.
///
/// ```
/// let keys: fiftyten_verify::KeySet = r#"{"keys":[{
///     "kty": "OKP", "crv": "Ed25519",
///     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
/// }]}"#.parse()?;
/// assert_eq!(keys.key_ids().next(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
/// # Ok::<_, fiftyten_verify::KeySetError>(())
/// ```
///
/// Each key is pinned to one algorithm: `EdDSA` for `OKP` with `Ed25519` (or `Ed25519`, where its
/// `alg` says so: RFC 9864), `ES256` for `EC` with `P-256`. A key without `kid` is known by its
/// thumbprint (RFC 7638). Keys of other types, for other algorithms or not for checking signatures
/// are skipped. A set is refused as a whole if it has a private or symmetric key, a malformed or
/// weak one, two keys of one `kid`, or nothing to check with.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone)]
pub(crate) struct Key {
    id: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) public: PublicKey,
    /// The header of the first good token, encoded. An issuer's headers are all alike, and what was read
    /// once need not be read again.
    header: OnceLock<Box<str>>,
}

impl Key {
    /// Remembers the header of a token whose signature this key found good.
    pub(crate) fn remember(&self, header: &str) {
        self.header.get_or_init(|| header.into());
    }
}

impl KeySet {
    /// The number of keys.
    #[allow(clippy::len_without_is_empty, reason = "a key set is never empty")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The `kid` of each key.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The same keys, with nothing remembered of what another verifier, which may expect tokens of
    /// another type, has found good.
    pub(crate) fn afresh(mut self) -> Self {
        for key in &mut self.keys {
            key.header = OnceLock::new();
        }
        self
    }

    /// Whether both have the same keys, under the same names, for the same algorithms.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        fn what(key: &Key) -> (&str, Algorithm, &PublicKey) {
            (&key.id, key.algorithm, &key.public)
        }
        self.keys.iter().map(what).eq(other.keys.iter().map(what))
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The key whose good tokens have had this very header.
    pub(crate) fn find_by_header(&self, header: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.header.get().is_some_and(|seen| **seen == *header))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.key_ids()).finish()
    }
}

impl FromStr for KeySet {
    type Err = KeySetError;

    fn from_str(jwks: &str) -> Result<Self, KeySetError> {
        if jwks.len() > MAX_JWKS_BYTES {
            return Err(KeySetError::TooLarge);
        }
        if !json::is_strict_object(jwks.as_bytes()) {
            return Err(KeySetError::Malformed);
        }
        let set: Jwks = serde_json::from_str(jwks).map_err(|_| KeySetError::Malformed)?;
        let mut keys: Vec<Key> = Vec::new();
        for (place, jwk) in set.keys.iter().enumerate() {
            if jwk.d.0 || jwk.k.0 {
                return Err(KeySetError::PrivateKey(place));
            }
            let Some((public, algorithm)) = jwk.usable(place)? else { continue };
            let id = match &jwk.kid {
                Some(kid) if kid.is_empty() || kid.len() > MAX_KEY_ID_BYTES => {
                    return Err(KeySetError::MalformedKey(place));
                }
                Some(kid) => kid.clone(),
                None => public.thumbprint(),
            };
            if keys.iter().any(|key| key.id == id) {
                return Err(KeySetError::DuplicateKeyId(place));
            }
            if keys.len() == MAX_KEYS {
                return Err(KeySetError::TooManyKeys);
            }
            keys.push(Key { id, algorithm, public, header: OnceLock::new() });
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys }) }
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// The members that matter here; others are allowed and ignored (RFC 7517 section 4).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    d: Present,
    #[serde(default)]
    k: Present,
}

impl Jwk {
    /// The key and its algorithm; `None` if it is of a kind that is skipped.
    fn usable(&self, place: usize) -> Result<Option<(PublicKey, Algorithm)>, KeySetError> {
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let algorithm = match (self.kty.as_str(), self.crv.as_deref(), self.alg.as_deref()) {
            ("OKP", Some("Ed25519"), None | Some("EdDSA")) => Algorithm::EdDsa,
            ("OKP", Some("Ed25519"), Some("Ed25519")) => Algorithm::Ed25519,
            ("EC", Some("P-256"), None | Some("ES256")) => Algorithm::Es256,
            _ => return Ok(None),
        };
        if !for_signatures {
            return Ok(None);
        }
        let public = match algorithm {
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                coordinate(self.x.as_deref()).and_then(PublicKey::ed25519)
            }
            Algorithm::Es256 => coordinate(self.x.as_deref())
                .zip(coordinate(self.y.as_deref()))
                .and_then(|(x, y)| PublicKey::p256(x, y)),
        };
        public.map(|public| Some((public, algorithm))).ok_or(KeySetError::MalformedKey(place))
    }
}

/// 32 bytes in base64url without padding.
fn coordinate(text: Option<&str>) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    match Base64UrlUnpadded::decode(text?, &mut bytes) {
        Ok(decoded) if decoded.len() == 32 => Some(bytes),
        _ => None,
    }
}
