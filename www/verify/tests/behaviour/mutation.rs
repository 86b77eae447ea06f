//! Properties: nothing but the token itself is accepted, with a cache or without, and nothing makes the
//! verifier panic.

use std::sync::LazyLock;

use fiftyten_verify::{CacheLimits, KeySet, Verifier};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::issuer::{Issuer, NOW, at, payload};

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| ISSUER.verifier());
static CACHING: LazyLock<Verifier> = LazyLock::new(|| {
    let verifier = ISSUER.verifier().with_cache(CacheLimits::new());
    assert!(verifier.verify_at(&GOOD, at(NOW)).is_ok());
    verifier
});
static GOOD: LazyLock<String> = LazyLock::new(|| ISSUER.good());

fn accepted(token: &str) -> bool {
    let result = VERIFIER.verify_at(token, at(NOW));
    for _ in 0..2 {
        assert_eq!(CACHING.verify_at(token, at(NOW)), result, "with a cache");
    }
    result.is_ok()
}

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    assert!(accepted(&GOOD));
    for place in 0..GOOD.len() {
        for bit in 0..8 {
            let mut bytes = GOOD.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            if let Ok(mutated) = String::from_utf8(bytes) {
                assert!(!accepted(&mutated), "bit {bit} of byte {place}");
            }
        }
    }
}

#[test]
fn no_character_of_a_signature_can_be_replaced() {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let start = GOOD.rfind('.').unwrap() + 1;
    for place in start..GOOD.len() {
        for replacement in ALPHABET.chars().filter(|char| !GOOD[place..].starts_with(*char)) {
            let mutated = format!("{}{replacement}{}", &GOOD[..place], &GOOD[place + 1..]);
            assert!(!accepted(&mutated), "{replacement} at {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_token_is_never_accepted(edits in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3), 1..4)) {
        let mut bytes = GOOD.clone().into_bytes();
        for (place, byte, kind) in edits {
            match kind {
                0 => { let place = place.index(bytes.len()); bytes[place] = byte; }
                1 => { let place = place.index(bytes.len() + 1); bytes.insert(place, byte); }
                _ => { let place = place.index(bytes.len()); bytes.remove(place); }
            }
        }
        let mutated = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(mutated == *GOOD || !accepted(&mutated));
    }

    #[test]
    fn arbitrary_text_is_refused_without_panic(text in "\\PC*") {
        prop_assert!(!accepted(&text));
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_000)) {
        prop_assert!(!accepted(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn text_of_the_tokens_form_is_refused_without_panic(text in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,100}){0,5}") {
        prop_assert!(!accepted(&text));
    }

    /// Signed by the right key, so that every later check meets it.
    #[test]
    fn any_signed_header_is_read_without_panic(header in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(!accepted(&ISSUER.sign(header, payload().to_string())));
    }

    #[test]
    fn any_signed_payload_is_read_without_panic(claims in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(!accepted(&ISSUER.sign(ISSUER.header().to_string(), claims)));
    }

    #[test]
    fn any_json_in_place_of_a_claim_is_read_without_panic(
        name in prop::sample::select(vec!["iss", "aud", "sub", "sid", "iat", "exp", "nbf", "roles", "permissions", "x"]),
        value in json(),
    ) {
        let mut claims = payload();
        claims[name] = value;
        let result = VERIFIER.verify_at(&ISSUER.token(&ISSUER.header(), &claims), at(NOW));
        if let Ok(claims) = result {
            prop_assert!(claims.expires_at() > at(NOW));
            prop_assert!(!claims.subject().is_empty() && !claims.session().is_empty());
        }
    }

    #[test]
    fn a_mutated_header_is_read_without_panic(place in any::<Index>(), byte in any::<u8>()) {
        let mut header = ISSUER.header().to_string().into_bytes();
        let place = place.index(header.len());
        header[place] = byte;
        let _ = VERIFIER.verify_at(&ISSUER.sign(header, payload().to_string()), at(NOW));
    }

    #[test]
    fn an_arbitrary_key_set_is_read_without_panic(text in "\\PC*", place in any::<Index>(), byte in any::<u8>()) {
        prop_assert!(text.parse::<KeySet>().is_err());
        let mut jwks = crate::issuer::jwks([ISSUER.jwk()]).into_bytes();
        let place = place.index(jwks.len());
        jwks[place] = byte;
        let _ = String::from_utf8_lossy(&jwks).parse::<KeySet>();
    }

    #[test]
    fn a_token_is_accepted_exactly_while_it_lives(ms in 0_u64..120_000) {
        // Issued at NOW - 5, ends at NOW + 55, and may be met 5 s early.
        let now = at(NOW - 30) + std::time::Duration::from_millis(ms);
        let alive = (at(NOW - 10)..at(NOW + 55)).contains(&now);
        prop_assert_eq!(VERIFIER.verify_at(&GOOD, now).is_ok(), alive);
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,5}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<Value>()),
        ]
    })
}
