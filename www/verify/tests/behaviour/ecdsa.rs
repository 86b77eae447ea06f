//! ES256, for issuers that are configured to sign with it.

use fiftyten_verify::{KeySetError, Verifier, VerifyError};
use jwt_compact::alg::{Es256, SigningKey as _};
use jwt_compact::{Algorithm as _, AlgorithmSignature as _};
use serde_json::{Value, json};

use crate::issuer::{Issuer, NOW, at, base64url, expect, jwks, payload, set};

type SigningKey = <Es256 as jwt_compact::Algorithm>::SigningKey;

fn key(seed: u8) -> SigningKey {
    <SigningKey as jwt_compact::alg::SigningKey<Es256>>::from_slice(&[seed; 32]).unwrap()
}

fn jwk(key: &SigningKey) -> Value {
    let public = key.to_verifying_key();
    set(serde_json::to_value(jwt_compact::jwk::JsonWebKey::from(&public)).unwrap(), "kid", json!("ec"))
}

fn token(key: &SigningKey, header: &Value) -> String {
    let signed = format!(
        "{}.{}",
        base64url(header.to_string().as_bytes()),
        base64url(payload().to_string().as_bytes())
    );
    let signature = Es256.sign(key, signed.as_bytes());
    format!("{signed}.{}", base64url(&signature.as_bytes()))
}

fn header() -> Value {
    json!({"alg": "ES256", "typ": "session+jwt", "kid": "ec"})
}

#[test]
fn a_token_signed_with_p256_is_accepted() {
    let verifier = Verifier::from_jwks(&jwks([jwk(&key(3)), Issuer::new().jwk()]), expect()).unwrap();
    assert_eq!(verifier.verify_at(&token(&key(3), &header()), at(NOW)).unwrap().subject(), "user-1");
    assert!(verifier.verify_at(&Issuer::new().good(), at(NOW)).is_ok(), "beside Ed25519");
}

#[test]
fn another_p256_key_is_refused() {
    let verifier = Verifier::from_jwks(&jwks([jwk(&key(3))]), expect()).unwrap();
    assert_eq!(verifier.verify_at(&token(&key(4), &header()), at(NOW)), Err(VerifyError::Signature));
}

#[test]
fn the_algorithm_of_one_key_is_not_taken_for_another() {
    let issuer = Issuer::new();
    let verifier = Verifier::from_jwks(&jwks([jwk(&key(3)), issuer.jwk()]), expect()).unwrap();
    for (alg, kid) in [("ES256", "key-1"), ("EdDSA", "ec")] {
        let header = json!({"alg": alg, "typ": "session+jwt", "kid": kid});
        for confused in [token(&key(3), &header), issuer.token(&header, &payload())] {
            assert_eq!(verifier.verify_at(&confused, at(NOW)), Err(VerifyError::Algorithm), "{alg} {kid}");
        }
    }
}

#[test]
fn an_algorithm_that_no_key_is_for_is_refused() {
    let verifier = Verifier::from_jwks(&jwks([jwk(&key(3))]), expect()).unwrap();
    for alg in ["HS256", "RS256", "ES384", "ES256K", "es256", "none"] {
        let token = token(&key(3), &set(header(), "alg", json!(alg)));
        assert_eq!(verifier.verify_at(&token, at(NOW)), Err(VerifyError::Algorithm), "{alg}");
    }
}

#[test]
fn a_signature_of_zeros_is_refused() {
    // CVE-2022-21449: r = s = 0 fitted every message.
    let verifier = Verifier::from_jwks(&jwks([jwk(&key(3))]), expect()).unwrap();
    let good = token(&key(3), &header());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    for zeros in
        ["A".repeat(86), "A".repeat(43) + &signature[43..], signature[..43].to_owned() + &"A".repeat(43)]
    {
        assert_eq!(verifier.verify_at(&format!("{signed}.{zeros}"), at(NOW)), Err(VerifyError::Signature));
    }
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    let swapped = {
        let jwk = jwk(&key(3));
        set(set(jwk.clone(), "x", jwk["y"].clone()), "y", jwk["x"].clone())
    };
    let zero = set(set(jwk(&key(3)), "x", json!(base64url(&[0; 32]))), "y", json!(base64url(&[0; 32])));
    let short = set(jwk(&key(3)), "y", json!(base64url(&[1; 31])));
    let half = set(jwk(&key(3)), "y", Value::Null);
    for bad in [swapped, zero, short, half] {
        let refused = Verifier::from_jwks(&jwks([bad]), expect()).map(drop);
        assert_eq!(refused, Err(KeySetError::MalformedKey(0)));
    }
}
