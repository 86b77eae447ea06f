//! The signature, and that it comes before everything the token claims.

use base64ct::{Base64UrlUnpadded, Encoding};
use fiftyten_verify::VerifyError;
use serde_json::json;

use crate::issuer::{Issuer, NOW, base64url, payload, set};

#[test]
fn the_signature_of_another_key_is_refused() {
    let issuer = Issuer::new();
    let other = Issuer::with(2, "key-1");
    assert_eq!(issuer.refusal(&other.good()), VerifyError::Signature);
}

#[test]
fn a_signature_does_not_carry_over_to_another_header_or_payload() {
    let issuer = Issuer::new();
    let good = issuer.good();
    let other = issuer.with_claim("sub", json!("user-2"));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, foreign) = other.rsplit_once('.').unwrap();
    assert_eq!(issuer.refusal(&format!("{signed}.{foreign}")), VerifyError::Signature);

    let (_, rest) = good.split_once('.').unwrap();
    let header = base64url(set(issuer.header(), "x", json!(1)).to_string().as_bytes());
    assert_eq!(issuer.refusal(&format!("{header}.{rest}")), VerifyError::Signature);
}

#[test]
fn a_signature_of_another_length_is_refused() {
    let issuer = Issuer::new();
    let good = issuer.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
    for bad in [&bytes[..63], &bytes[..32], &bytes[..1], &[bytes.as_slice(), &[0]].concat(), &bytes.repeat(2)]
    {
        assert_eq!(issuer.refusal(&format!("{signed}.{}", base64url(bad))), VerifyError::Signature);
    }
    for constant in [0x00, 0xff, 0x01] {
        assert_eq!(
            issuer.refusal(&format!("{signed}.{}", base64url(&[constant; 64]))),
            VerifyError::Signature
        );
    }
}

#[test]
fn a_signature_may_not_leave_out_its_last_zeros() {
    // One in sixteen ends in a zero byte: without it, it is another spelling of the same token.
    let issuer = Issuer::new();
    let found = (0..500).map(|number| issuer.with_claim("number", json!(number))).find_map(|token| {
        let (signed, signature) = token.rsplit_once('.')?;
        let bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
        (bytes[63] == 0).then(|| (token.clone(), format!("{signed}.{}", base64url(&bytes[..63]))))
    });
    let (whole, cut) = found.unwrap();
    assert!(issuer.verify(&whole).is_ok());
    assert_eq!(issuer.refusal(&cut), VerifyError::Signature);
}

#[test]
fn a_signature_with_the_group_order_added_is_refused() {
    // s and s + L verify alike where s is not required to be reduced (RFC 8032 section 5.1.7).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let issuer = Issuer::new();
    let good = issuer.good();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = Base64UrlUnpadded::decode_vec(signature).unwrap();
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(issuer.refusal(&format!("{signed}.{}", base64url(&bytes))), VerifyError::Signature);
}

#[test]
fn nothing_is_read_of_a_payload_that_is_not_signed() {
    let issuer = Issuer::new();
    let forger = Issuer::with(2, "key-1");
    let expired = forger.with_claim("exp", json!(NOW - 1));
    let garbage = forger.sign(forger.header().to_string(), b"\xff\xfe not JSON");
    let duplicate = forger.sign(forger.header().to_string(), r#"{"exp":1,"exp":2}"#);
    let malformed = forger.seal(&format!("{}.!!!", base64url(forger.header().to_string().as_bytes())));
    for token in [expired, garbage, duplicate, malformed] {
        assert_eq!(issuer.refusal(&token), VerifyError::Signature);
    }
}

#[test]
fn what_jwt_compact_signs_is_accepted() {
    use jwt_compact::{AlgorithmExt as _, Claims, Header, alg::Ed25519};

    let issuer = Issuer::new();
    let mut claims = Claims::new(json!({
        "iss": crate::issuer::ISSUER, "aud": crate::issuer::AUDIENCE, "sub": "user-1", "sid": "session-1",
        "roles": [], "permissions": [],
    }));
    claims.issued_at = chrono::DateTime::from_timestamp(NOW as i64, 0);
    claims.expiration = chrono::DateTime::from_timestamp(NOW as i64 + 60, 0);
    let header = Header::empty().with_key_id("key-1").with_token_type("session+jwt");
    let token = Ed25519.token(&header, &claims, &issuer.signing).unwrap();
    let claims = issuer.verify(&token).unwrap();
    assert_eq!(claims.subject(), "user-1");
    assert_eq!(claims.expires_at(), crate::issuer::at(NOW + 60));
}

#[test]
fn errors_and_debug_output_contain_nothing_of_the_token() {
    let issuer = Issuer::new();
    let canary = "canary-7f3a";
    let everywhere = |name: &str| issuer.token(&issuer.header(), &set(payload(), name, json!(canary)));
    for token in [
        everywhere("iss"),
        everywhere("aud"),
        everywhere("exp"),
        everywhere("roles"),
        issuer.with_header("kid", json!(canary)),
        issuer.with_header("alg", json!(canary)),
        issuer.with_header("typ", json!(canary)),
    ] {
        let error = issuer.refusal(&token);
        assert!(!format!("{error} {error:?} {}", error.code()).contains("canary"), "{error:?}");
    }
    let claims = issuer.verify(&everywhere("plan")).unwrap();
    assert!(!format!("{claims:?}").contains("canary"));
    assert!(format!("{claims:?}").contains("session-1"));
}
