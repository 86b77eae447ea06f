//! The key set.

use fiftyten_verify::{KeySet, KeySetError, MAX_JWKS_BYTES, Verifier, VerifyError};
use serde_json::{Value, json};

use crate::issuer::{Issuer, NOW, at, base64url, expect, jwks, set};

fn read(keys: impl IntoIterator<Item = Value>) -> Result<KeySet, KeySetError> {
    jwks(keys).parse()
}

fn ids(keys: &KeySet) -> Vec<&str> {
    keys.key_ids().collect()
}

#[test]
fn each_token_is_checked_with_the_key_it_names() {
    let (first, second, third) = (Issuer::with(1, "a"), Issuer::with(2, "b"), Issuer::with(3, "c"));
    let verifier = Verifier::from_jwks(&jwks([first.jwk(), second.jwk()]), expect()).unwrap();
    assert!(verifier.verify_at(&first.good(), at(NOW)).is_ok());
    assert!(verifier.verify_at(&second.good(), at(NOW)).is_ok());
    assert_eq!(verifier.verify_at(&third.good(), at(NOW)), Err(VerifyError::UnknownKey));
    let swapped = first.with_header("kid", json!("b"));
    assert_eq!(verifier.verify_at(&swapped, at(NOW)), Err(VerifyError::Signature));
}

#[test]
fn replaced_keys_count_at_once_in_every_clone() {
    let (old, new) = (Issuer::with(1, "old"), Issuer::with(2, "new"));
    let verifier = old.verifier();
    let clone = verifier.clone();
    verifier.set_keys(read([new.jwk()]).unwrap());
    assert!(clone.verify_at(&new.good(), at(NOW)).is_ok());
    assert_eq!(clone.verify_at(&old.good(), at(NOW)), Err(VerifyError::UnknownKey));
    assert!(format!("{clone:?}").contains("new"));
}

#[test]
fn a_key_without_id_is_known_by_its_thumbprint() {
    // The key and the thumbprint of RFC 8037 appendix A.3.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let keys = read([json!({"kty": "OKP", "crv": "Ed25519", "x": x})]).unwrap();
    assert_eq!(ids(&keys), ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]);
}

#[test]
fn a_key_pinned_to_the_fully_specified_name_takes_that_name_only() {
    let issuer = Issuer::new();
    let keys = jwks([set(issuer.jwk(), "alg", json!("Ed25519"))]);
    let verifier = Verifier::from_jwks(&keys, expect()).unwrap();
    assert!(verifier.verify_at(&issuer.with_header("alg", json!("Ed25519")), at(NOW)).is_ok());
    assert_eq!(verifier.verify_at(&issuer.good(), at(NOW)), Err(VerifyError::Algorithm));
}

#[test]
fn keys_for_something_else_are_skipped() {
    let good = Issuer::new();
    let other = Issuer::with(2, "other").jwk();
    for skipped in [
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "other"}),
        json!({"kty": "OKP", "crv": "X25519", "x": good.x(), "kid": "other"}),
        json!({"kty": "OKP", "crv": "Ed448", "x": good.x(), "kid": "other"}),
        json!({"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "kid": "other"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "other"}),
        json!({"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA", "kid": "other"}),
        json!({"kty": "OKP", "kid": "other"}),
        set(other.clone(), "use", json!("enc")),
        set(other.clone(), "alg", json!("ES256")),
        set(other.clone(), "alg", json!("HS256")),
        set(other.clone(), "key_ops", json!(["sign"])),
        set(other.clone(), "key_ops", json!([])),
    ] {
        let keys = read([skipped.clone(), good.jwk()]).unwrap();
        assert_eq!(ids(&keys), ["key-1"], "{skipped}");
        assert_eq!(read([skipped]).unwrap_err(), KeySetError::NoUsableKey);
    }
    let kept = set(set(other, "key_ops", json!(["verify"])), "x5t", json!("AA"));
    assert_eq!(read([kept]).unwrap().len(), 1);
}

#[test]
fn a_private_or_symmetric_key_refuses_the_whole_set() {
    let good = Issuer::new().jwk();
    for private in [
        set(Issuer::with(2, "b").jwk(), "d", json!(base64url(&[2; 32]))),
        set(Issuer::with(2, "b").jwk(), "d", json!("")),
        set(Issuer::with(2, "b").jwk(), "d", json!(0)),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"}),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
    ] {
        assert_eq!(read([good.clone(), private]).unwrap_err(), KeySetError::PrivateKey(1));
    }
    let null = jwks([good]).replace("\"kid\"", "\"d\":null,\"kid\"");
    assert_eq!(null.parse::<KeySet>().unwrap_err(), KeySetError::PrivateKey(0));
}

#[test]
fn a_key_that_is_no_key_refuses_the_whole_set() {
    let good = Issuer::new();
    let off_curve =
        (0..=255).map(|byte| [byte; 32]).find(|x| ed25519_dalek::VerifyingKey::from_bytes(x).is_err());
    let short = (0..=255).map(|byte| [byte; 31]).find(|x| {
        let mut padded = [0; 32];
        padded[..31].copy_from_slice(x);
        ed25519_dalek::VerifyingKey::from_bytes(&padded).is_ok_and(|key| !key.is_weak())
    });
    for x in [
        json!(base64url(&short.unwrap())),
        json!(""),
        json!("AAAA"),
        json!(base64url(&[1; 31])),
        json!(base64url(&[1; 33])),
        json!(good.x() + "="),
        json!(good.x().replace(good.x().chars().next().unwrap(), "!")),
        json!(base64url(&off_curve.unwrap())),
        Value::Null,
    ] {
        let bad = set(Issuer::with(2, "b").jwk(), "x", x.clone());
        assert_eq!(read([good.jwk(), bad]).unwrap_err(), KeySetError::MalformedKey(1), "{x}");
    }
    for kid in [json!(""), json!("k".repeat(129))] {
        assert_eq!(read([set(good.jwk(), "kid", kid)]).unwrap_err(), KeySetError::MalformedKey(0));
    }
}

#[test]
fn a_key_of_small_order_is_refused() {
    // For these, signatures can be made that fit any message.
    let orders: [[u8; 32]; 4] = [
        *b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", // 1
        [0; 32],                                                                // 4
        {
            let mut minus_one = [0xff; 32]; // 2
            (minus_one[0], minus_one[31]) = (0xec, 0x7f);
            minus_one
        },
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ], // 8
    ];
    for x in orders {
        assert!(ed25519_dalek::VerifyingKey::from_bytes(&x).unwrap().is_weak());
        let jwk = set(Issuer::new().jwk(), "x", json!(base64url(&x)));
        assert_eq!(read([jwk]).unwrap_err(), KeySetError::MalformedKey(0));
    }
}

#[test]
fn two_keys_of_one_id_refuse_the_whole_set() {
    let same = [Issuer::with(1, "a").jwk(), Issuer::with(2, "b").jwk(), Issuer::with(3, "a").jwk()];
    assert_eq!(read(same).unwrap_err(), KeySetError::DuplicateKeyId(2));

    let nameless = || set(Issuer::new().jwk(), "kid", Value::Null);
    assert_eq!(read([nameless(), nameless()]).unwrap_err(), KeySetError::DuplicateKeyId(1));
}

#[test]
fn thirty_two_keys_are_read_and_thirty_three_are_not() {
    let keys = |count: u8| (0..count).map(|seed| Issuer::with(seed, &format!("key-{seed}")).jwk());
    assert_eq!(read(keys(32)).unwrap().len(), 32);
    assert_eq!(read(keys(33)).unwrap_err(), KeySetError::TooManyKeys);
}

#[test]
fn a_set_beyond_64_kib_is_not_read() {
    let set = jwks([Issuer::new().jwk()]);
    let padded = |bytes: usize| format!("{set}{}", " ".repeat(bytes - set.len()));
    assert!(padded(MAX_JWKS_BYTES).parse::<KeySet>().is_ok());
    assert_eq!(padded(MAX_JWKS_BYTES + 1).parse::<KeySet>().unwrap_err(), KeySetError::TooLarge);
}

#[test]
fn what_is_no_key_set_is_refused() {
    let key = Issuer::new().jwk().to_string();
    for bad in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        key.clone(),
        format!("[{key}]"),
        r#"{"keys":{}}"#.to_owned(),
        r#"{"keys":[1]}"#.to_owned(),
        r#"{"keys":[{}]}"#.to_owned(),
        r#"{"keys":[{"kty":1}]}"#.to_owned(),
        format!(r#"{{"keys":[{key}],"keys":[]}}"#),
        format!(r#"{{"keys":[{}]}}"#, key.replacen('{', r#"{"kty":"OKP","#, 1)),
        format!(r#"{{"keys":[{}]}}"#, key.replacen('{', r#"{"\u006bid":"b","#, 1)),
        format!(r#"{{"keys":[{key}],"x":1,"x":1}}"#),
        format!(r#"{{"keys":[{}]}}"#, key.replacen('{', r#"{"x5t":"a","x5t":"a","#, 1)),
        "<!doctype html><title>Not found</title>".to_owned(),
    ] {
        assert_eq!(bad.parse::<KeySet>().unwrap_err(), KeySetError::Malformed, "{bad}");
    }
    assert_eq!(r#"{"keys":[]}"#.parse::<KeySet>().unwrap_err(), KeySetError::NoUsableKey);
}

#[test]
fn members_that_a_set_may_have_besides_are_ignored() {
    let key = Issuer::new().jwk().to_string();
    let set = format!(r#"{{"issuer":"x","keys":[{}],"next":[]}}"#, key.replacen('{', r#"{"exp":1,"#, 1));
    assert_eq!(set.parse::<KeySet>().unwrap().len(), 1);
}

#[test]
fn errors_contain_nothing_of_the_keys() {
    let secret = base64url(&[0xab; 32]);
    let error = read([set(Issuer::with(2, "canary").jwk(), "d", json!(secret))]).unwrap_err();
    let text = format!("{error} {error:?} {}", error.code());
    assert!(!text.contains(&secret) && !text.contains("canary"), "{text}");
}
