//! Any bytes as a token, and as the header and payload of a token that is signed: no panic, no token that
//! is not signed, and the same answer with a cache and without.

#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use fiftyten_verify::{CacheLimits, Expect, Verifier};
use libfuzzer_sys::fuzz_target;

const HEADER: &str = r#"{"alg":"EdDSA","typ":"session+jwt","kid":"k"}"#;
const PAYLOAD: &str = r#"{"iss":"i","aud":"a","sub":"u","sid":"s","iat":1800000000,"exp":1800000060}"#;

static SIGNING: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[1; 32]));
static GOOD: LazyLock<String> = LazyLock::new(|| sign(HEADER.as_bytes(), PAYLOAD.as_bytes()));
static PLAIN: LazyLock<Verifier> = LazyLock::new(|| {
    let x = base64url(SIGNING.verifying_key().as_bytes());
    let jwks = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{x}"}}]}}"#);
    Verifier::from_jwks(&jwks, Expect::new("i", "a")).expect("a good key set")
});
static CACHING: LazyLock<Verifier> =
    LazyLock::new(|| PLAIN.clone().with_cache(CacheLimits::new().max_entries(200).max_bytes(1 << 20)));

fuzz_target!(|data: &[u8]| {
    let Some((&kind, data)) = data.split_first() else { return };
    match kind % 4 {
        // A token that nobody signed.
        0 => {
            if let Ok(text) = std::str::from_utf8(data) {
                assert!(!accepted(text) || text == *GOOD);
            }
        }
        // The good token with a part overwritten.
        1 => {
            let mut bytes = GOOD.clone().into_bytes();
            let Some((&place, patch)) = data.split_first() else { return };
            let place = usize::from(place) * 2 % bytes.len();
            let end = bytes.len().min(place + patch.len());
            bytes[place..end].copy_from_slice(&patch[..end - place]);
            if let Ok(text) = std::str::from_utf8(&bytes) {
                assert_eq!(accepted(text), text == *GOOD);
            }
        }
        // Signed, so that every later check meets it.
        2 => drop(accepted(&sign(data, PAYLOAD.as_bytes()))),
        _ => drop(accepted(&sign(HEADER.as_bytes(), data))),
    }
});

/// Asks both verifiers, twice, at the moments before and at the end of a token that lives a minute.
fn accepted(token: &str) -> bool {
    let end = UNIX_EPOCH + Duration::from_secs(1_800_000_060);
    let alive = answer(token, end - Duration::from_millis(1));
    if let Ok(claims) = CACHING.verify_at(token, end) {
        assert!(claims.expires_at() > end);
    }
    assert_eq!(answer(token, end - Duration::from_millis(1)), alive);
    alive
}

fn answer(token: &str, now: SystemTime) -> bool {
    let plain = PLAIN.verify_at(token, now);
    assert_eq!(plain, CACHING.verify_at(token, now));
    if let Ok(claims) = &plain {
        assert!(claims.expires_at() > now && claims.issuer() == "i");
        assert!(!claims.subject().is_empty() && !claims.session().is_empty());
    }
    plain.is_ok()
}

fn sign(header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(payload));
    format!("{signed}.{}", base64url(&SIGNING.sign(signed.as_bytes()).to_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}
