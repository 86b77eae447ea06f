//! An issuer that will sign anything, so that a token can break one rule and no other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use fiftyten_verify::{Claims, Expect, Verifier, VerifyError};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://app.example/auth";
pub const AUDIENCE: &str = "https://app.example";

/// The time at which tests look at tokens, in seconds since the epoch, unless they say another.
pub const NOW: u64 = 1_800_000_000;

pub struct Issuer {
    pub signing: SigningKey,
    pub kid: String,
}

impl Issuer {
    pub fn new() -> Self {
        Self::with(1, "key-1")
    }

    pub fn with(seed: u8, kid: &str) -> Self {
        Self { signing: SigningKey::from_bytes(&[seed; 32]), kid: kid.to_owned() }
    }

    pub fn x(&self) -> String {
        base64url(self.signing.verifying_key().as_bytes())
    }

    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.x()})
    }

    pub fn verifier(&self) -> Verifier {
        Verifier::from_jwks(&jwks([self.jwk()]), expect()).unwrap()
    }

    pub fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "session+jwt", "kid": self.kid})
    }

    /// A good token, as of [`NOW`].
    pub fn good(&self) -> String {
        self.token(&self.header(), &payload())
    }

    /// A good token but for one member of its header. `null` removes it.
    pub fn with_header(&self, name: &str, value: Value) -> String {
        self.token(&set(self.header(), name, value), &payload())
    }

    /// A good token but for one claim. `null` removes it.
    pub fn with_claim(&self, name: &str, value: Value) -> String {
        self.token(&self.header(), &set(payload(), name, value))
    }

    pub fn token(&self, header: &Value, payload: &Value) -> String {
        self.sign(header.to_string(), payload.to_string())
    }

    /// Any bytes for header and payload, with a good signature.
    pub fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.seal(&format!("{}.{}", base64url(header.as_ref()), base64url(payload.as_ref())))
    }

    /// Any text, with a dot and a good signature.
    pub fn seal(&self, signed: &str) -> String {
        format!("{signed}.{}", base64url(&self.signing.sign(signed.as_bytes()).to_bytes()))
    }

    /// What the verifier says to this token at [`NOW`].
    pub fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        self.verifier().verify_at(token, at(NOW))
    }

    pub fn refusal(&self, token: &str) -> VerifyError {
        self.verify(token).expect_err("accepted")
    }
}

pub fn expect() -> Expect {
    Expect::new(ISSUER, AUDIENCE)
}

/// The claims of a token that was issued 5 s before [`NOW`].
pub fn payload() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "sid": "session-1",
        "iat": NOW - 5, "exp": NOW + 55,
        "roles": ["admin"], "permissions": ["orders:read", "orders:refund"], "plan": "pro"
    })
}

pub fn jwks(keys: impl IntoIterator<Item = Value>) -> String {
    json!({"keys": keys.into_iter().collect::<Vec<_>>()}).to_string()
}

pub fn set(mut object: Value, name: &str, value: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    match value {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
