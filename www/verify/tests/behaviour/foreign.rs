//! Key sets and tokens of other issuers.

use fiftyten_verify::{Expect, KeySet, TOKEN_TYPE, Verifier, VerifyError};
use serde_json::{Value, json};

use crate::issuer::{Issuer, NOW, at, base64url, expect, jwks, payload, set};

/// An RSA key as many issuers publish it, with its certificate.
fn rsa(kid: &str, usage: &str, alg: &str) -> Value {
    json!({
        "kid": kid, "kty": "RSA", "use": usage, "alg": alg, "e": "AQAB", "n": base64url(&[0xc5; 256]),
        "x5c": ["MIIClzCCAX8CBgGP".repeat(60)], "x5t": base64url(&[1; 20]), "x5t#S256": base64url(&[2; 32]),
    })
}

fn ids(keys: &KeySet) -> Vec<&str> {
    keys.key_ids().collect()
}

#[test]
fn among_keys_of_every_kind_the_usable_ones_are_found() {
    let issuer = Issuer::with(1, "ed");
    let ec = json!({ // RFC 7517 appendix A.1, published for encryption there
        "kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "kid": "ec",
    });
    let keys: KeySet = jwks([
        rsa("rs-1", "sig", "RS256"),
        rsa("rs-2", "enc", "RSA-OAEP"),
        rsa("rs-3", "sig", "PS256"),
        json!({"kty": "RSA", "e": "AQAB", "n": base64url(&[0xc5; 256])}), // nameless, twice
        json!({"kty": "RSA", "e": "AQAB", "n": base64url(&[0xc7; 256])}),
        json!({"kty": "OKP", "crv": "X25519", "x": base64url(&[9; 32]), "kid": "x", "use": "enc", "alg": "ECDH-ES"}),
        json!({"kty": "OKP", "crv": "X25519", "x": base64url(&[9; 32])}),
        json!({"kty": "OKP", "crv": "Ed448", "x": base64url(&[9; 57]), "kid": "ed448"}),
        json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "p521", "alg": "ES512"}),
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "pq"}),
        json!({"kty": "something-new", "kid": "new", "value": {"a": [1, null]}}),
        set(ec.clone(), "use", json!("enc")),
        set(ec, "kid", json!("ec-2")),
        issuer.jwk(),
    ])
    .parse()
    .unwrap();
    assert_eq!(ids(&keys), ["ec-2", "ed"]);
    let verifier = Verifier::new(keys, expect());
    assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_ok());
    for kid in ["rs-1", "rs-2", "x", "pq", "ec"] {
        let token = issuer.with_header("kid", json!(kid));
        assert_eq!(verifier.verify_at(&token, at(NOW)), Err(VerifyError::UnknownKey), "{kid}");
    }
}

#[test]
fn a_key_may_leave_out_or_null_what_is_optional() {
    let issuer = Issuer::new();
    for name in ["alg", "use"] {
        let without = jwks([set(issuer.jwk(), name, Value::Null)]);
        let mut null = issuer.jwk();
        null[name] = Value::Null;
        for keys in [without, jwks([null])] {
            let verifier = Verifier::from_jwks(&keys, expect()).unwrap();
            assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_ok(), "{name}");
        }
    }
}

#[test]
fn a_certificate_beside_a_key_changes_nothing() {
    let issuer = Issuer::new();
    let key = set(issuer.jwk(), "x5c", json!(["MIIB".repeat(300)]));
    let key = set(set(key, "x5u", json!("https://evil.example/")), "x5t", json!("AA"));
    let verifier = Verifier::from_jwks(&jwks([key]), expect()).unwrap();
    assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_ok());
    assert_eq!(verifier.verify_at(&Issuer::with(2, "key-1").good(), at(NOW)), Err(VerifyError::Signature));
}

#[test]
fn the_token_of_an_rsa_issuer_is_refused_for_its_algorithm_or_key() {
    let issuer = Issuer::new();
    let verifier = Verifier::from_jwks(&jwks([rsa("rs", "sig", "RS256"), issuer.jwk()]), expect()).unwrap();
    for alg in ["RS256", "PS256", "RS512"] {
        let token = issuer.token(&json!({"alg": alg, "typ": "session+jwt", "kid": "rs"}), &payload());
        assert_eq!(verifier.verify_at(&token, at(NOW)), Err(VerifyError::Algorithm), "{alg}");
    }
}

#[test]
fn a_set_of_keys_for_others_only_is_refused_as_a_whole() {
    let keys = jwks([rsa("rs-1", "sig", "RS256"), rsa("rs-2", "enc", "RSA-OAEP")]);
    assert_eq!(keys.parse::<KeySet>().unwrap_err(), fiftyten_verify::KeySetError::NoUsableKey);
}

#[test]
fn the_token_of_another_issuer_may_have_another_type_where_that_is_expected() {
    let issuer = Issuer::new();
    let expecting = |typ: &str| Verifier::from_jwks(&jwks([issuer.jwk()]), expect().token_type(typ)).unwrap();
    for (expected, typ) in [
        ("at+jwt", "at+jwt"),
        ("at+jwt", "application/at+jwt"),
        ("application/at+jwt", "AT+JWT"),
        ("JWT", "JWT"),
        ("JWT", "jwt"),
        (TOKEN_TYPE, TOKEN_TYPE),
    ] {
        let token = issuer.with_header("typ", json!(typ));
        assert!(expecting(expected).verify_at(&token, at(NOW)).is_ok(), "{typ} for {expected}");
    }
    for (expected, typ) in [
        ("at+jwt", "JWT"),
        ("at+jwt", TOKEN_TYPE),
        ("JWT", TOKEN_TYPE),
        ("JWT", "at+jwt"),
        ("JWT", ""),
        ("JWT", "application/"),
        ("", ""),
        ("", "application/"),
        ("application/", ""),
        ("", TOKEN_TYPE),
    ] {
        let token = issuer.with_header("typ", json!(typ));
        let refused = expecting(expected).verify_at(&token, at(NOW));
        assert_eq!(refused, Err(VerifyError::TokenType), "{typ} for {expected}");
    }
    let missing = issuer.with_header("typ", Value::Null);
    for expected in ["JWT", "at+jwt", ""] {
        assert_eq!(expecting(expected).verify_at(&missing, at(NOW)), Err(VerifyError::TokenType));
    }
}

#[test]
fn keys_carry_nothing_from_a_verifier_that_expects_another_type() {
    let issuer = Issuer::new();
    let token = issuer.with_header("typ", json!("JWT"));
    let lax = Verifier::from_jwks(&jwks([issuer.jwk()]), expect().token_type("JWT")).unwrap();
    assert!(lax.verify_at(&token, at(NOW)).is_ok());
    let keys = || KeySet::clone(&lax.keys());
    let strict = Verifier::new(keys(), expect());
    assert_eq!(strict.verify_at(&token, at(NOW)), Err(VerifyError::TokenType));
    strict.set_keys(keys());
    assert_eq!(strict.verify_at(&token, at(NOW)), Err(VerifyError::TokenType));
}

#[test]
fn an_option_for_the_type_relaxes_nothing_else() {
    let issuer = Issuer::new();
    let verifier = Verifier::from_jwks(&jwks([issuer.jwk()]), Expect::token_type(expect(), "JWT")).unwrap();
    let header = set(issuer.header(), "typ", json!("JWT"));
    let with = |name: &str, value: Value| issuer.token(&header, &set(payload(), name, value));
    let refusal = |token: &str| verifier.verify_at(token, at(NOW)).unwrap_err();
    assert!(verifier.verify_at(&issuer.token(&header, &payload()), at(NOW)).is_ok());
    assert_eq!(refusal(&with("exp", json!(NOW))), VerifyError::Expired);
    assert_eq!(refusal(&with("sid", Value::Null)), VerifyError::ClaimMissing("sid"));
    assert_eq!(refusal(&with("aud", json!("https://other.example"))), VerifyError::Audience);
    assert_eq!(refusal(&with("exp", json!(NOW + 3_600))), VerifyError::Lifetime);
}
