//! The header: algorithm, key id, type, and what must not stand there.

use ed25519_dalek::SigningKey;
use fiftyten_verify::{TOKEN_TYPE, VerifyError};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::issuer::{Issuer, base64url, payload, set};

#[test]
fn the_token_type_is_the_protocols() {
    assert_eq!(TOKEN_TYPE, fiftyten::protocol::TOKEN_TYPE);
}

#[test]
fn no_spelling_of_none_is_an_algorithm() {
    let issuer = Issuer::new();
    for none in ["none", "None", "NONE", "nOnE", " none", "none ", "none\0", ""] {
        let token = issuer.with_header("alg", json!(none));
        assert_eq!(issuer.refusal(&token), VerifyError::Algorithm, "{none:?}");
        let (signed, _) = token.rsplit_once('.').unwrap();
        assert_eq!(issuer.refusal(&format!("{signed}.")), VerifyError::NotCompact, "{none:?} unsigned");
        assert_eq!(issuer.refusal(&format!("{signed}.AA")), VerifyError::Algorithm, "{none:?} mock-signed");
    }
}

#[test]
fn a_token_made_with_the_public_key_as_hmac_secret_is_refused() {
    let issuer = Issuer::new();
    let public = issuer.signing.verifying_key();
    let spellings =
        [public.as_bytes().to_vec(), issuer.x().into_bytes(), issuer.jwk().to_string().into_bytes()];
    for secret in spellings {
        for alg in ["HS256", "EdDSA"] {
            let header = set(issuer.header(), "alg", json!(alg)).to_string();
            let signed =
                format!("{}.{}", base64url(header.as_bytes()), base64url(payload().to_string().as_bytes()));
            let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
            mac.update(signed.as_bytes());
            let token = format!("{signed}.{}", base64url(&mac.finalize().into_bytes()));
            let wanted = if alg == "HS256" { VerifyError::Algorithm } else { VerifyError::Signature };
            assert_eq!(issuer.refusal(&token), wanted);
        }
    }
}

#[test]
fn an_algorithm_other_than_the_keys_is_refused() {
    let issuer = Issuer::new();
    for alg in [
        "HS256", "HS512", "RS256", "PS256", "ES256", "ES384", "ES256K", "Ed25519", "Ed448", "eddsa", "EDDSA",
        "dir",
    ] {
        assert_eq!(issuer.refusal(&issuer.with_header("alg", json!(alg))), VerifyError::Algorithm, "{alg}");
    }
    assert_eq!(issuer.refusal(&issuer.with_header("alg", Value::Null)), VerifyError::Algorithm, "missing");
}

#[test]
fn a_member_of_the_wrong_type_is_refused() {
    let issuer = Issuer::new();
    for name in ["alg", "typ", "kid"] {
        for value in [json!(1), json!(true), json!([]), json!(["EdDSA"]), json!({})] {
            assert_eq!(issuer.refusal(&issuer.with_header(name, value)), VerifyError::Header, "{name}");
        }
    }
}

#[test]
fn the_key_id_must_be_there_and_of_reasonable_length() {
    let issuer = Issuer::new();
    assert_eq!(issuer.refusal(&issuer.with_header("kid", Value::Null)), VerifyError::KeyId);
    assert_eq!(issuer.refusal(&issuer.with_header("kid", json!(""))), VerifyError::KeyId);
    assert_eq!(issuer.refusal(&issuer.with_header("kid", json!("k".repeat(129)))), VerifyError::KeyId);

    let longest = Issuer::with(1, &"k".repeat(128));
    assert!(longest.verify(&longest.good()).is_ok());
}

#[test]
fn an_unknown_key_id_is_refused_whatever_it_looks_like() {
    let issuer = Issuer::new();
    for kid in [
        "key-2",
        "KEY-1",
        "key-1 ",
        "key",
        "../../../../dev/null",
        "/dev/null",
        "https://evil.example/jwks.json",
        "key-1' OR '1'='1",
        "|id",
        "key-1\0",
        "0",
    ] {
        assert_eq!(issuer.refusal(&issuer.with_header("kid", json!(kid))), VerifyError::UnknownKey, "{kid}");
    }
}

#[test]
fn the_type_is_compared_as_a_media_type() {
    let issuer = Issuer::new();
    for typ in ["session+jwt", "SESSION+JWT", "application/session+jwt", "Application/Session+JWT"] {
        assert!(issuer.verify(&issuer.with_header("typ", json!(typ))).is_ok(), "{typ}");
    }
}

#[test]
fn a_token_of_another_kind_is_refused() {
    let issuer = Issuer::new();
    for typ in [
        "JWT",
        "jwt",
        "at+jwt",
        "application/at+jwt",
        "logout+jwt",
        "",
        "session",
        "jwt+session",
        "application/",
        "application/application/session+jwt",
        "text/session+jwt",
        " session+jwt",
        "session+jwt;",
    ] {
        assert_eq!(issuer.refusal(&issuer.with_header("typ", json!(typ))), VerifyError::TokenType, "{typ}");
    }
    assert_eq!(issuer.refusal(&issuer.with_header("typ", Value::Null)), VerifyError::TokenType, "missing");
}

#[test]
fn a_header_with_critical_extensions_is_refused_known_or_not() {
    let issuer = Issuer::new();
    for crit in [json!(["b64"]), json!(["exp"]), json!(["x"]), json!([]), json!("b64"), json!({})] {
        assert_eq!(issuer.refusal(&issuer.with_header("crit", crit)), VerifyError::CriticalHeader);
    }
    let null = issuer
        .sign(r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","crit":null}"#, payload().to_string());
    assert_eq!(issuer.refusal(&null), VerifyError::CriticalHeader);
}

#[test]
fn a_key_that_the_token_brings_is_never_used() {
    let issuer = Issuer::new();
    let attacker = Issuer { signing: SigningKey::from_bytes(&[66; 32]), kid: issuer.kid.clone() };
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jku", json!("https://app.example/auth/.well-known/jwks.json")),
        ("x5c", json!(["MIIB"])),
        ("x5u", json!("https://evil.example/cert.pem")),
    ] {
        assert_eq!(
            issuer.refusal(&attacker.with_header(name, value.clone())),
            VerifyError::EmbeddedKey,
            "{name}"
        );
        assert_eq!(
            issuer.refusal(&issuer.with_header(name, value)),
            VerifyError::EmbeddedKey,
            "{name}, well signed"
        );
    }
}

#[test]
fn a_header_that_says_something_twice_is_refused_in_any_spelling() {
    let issuer = Issuer::new();
    for header in [
        r#"{"alg":"EdDSA","alg":"EdDSA","typ":"session+jwt","kid":"key-1"}"#,
        r#"{"alg":"none","typ":"session+jwt","kid":"key-1","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","\u0061lg":"none"}"#,
        r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","k\u0069d":"key-2"}"#,
        r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","x":{"a":1,"a":2}}"#,
    ] {
        assert_eq!(
            issuer.refusal(&issuer.sign(header, payload().to_string())),
            VerifyError::Header,
            "{header}"
        );
    }
}

#[test]
fn a_name_spelled_with_escapes_is_still_that_name() {
    let issuer = Issuer::new();
    let escaped = r#"{"\u0061lg":"Ed\u0044SA","typ":"session+jwt","kid":"key-1"}"#;
    assert!(issuer.verify(&issuer.sign(escaped, payload().to_string())).is_ok());
    let escaped = r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","\u0063rit":["x"]}"#;
    assert_eq!(issuer.refusal(&issuer.sign(escaped, payload().to_string())), VerifyError::CriticalHeader);
}

#[test]
fn a_header_that_is_not_one_small_object_is_refused() {
    let issuer = Issuer::new();
    let deep = format!(
        r#"{{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","x":{}{}}}"#,
        "[".repeat(400),
        "]".repeat(400)
    );
    let number = r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1","x":1e999}"#.to_owned();
    let trailing = issuer.header().to_string() + "{}";
    let bad = ["null", "[]", "\"EdDSA\"", "1", "{", "not json", "\u{feff}{}"].map(str::to_owned);
    for header in bad.into_iter().chain([deep, number, trailing]) {
        assert_eq!(
            issuer.refusal(&issuer.sign(&header, payload().to_string())),
            VerifyError::Header,
            "{header}"
        );
    }
    assert_eq!(
        issuer.refusal(&issuer.sign(b"{\"alg\":\"\xff\"}", payload().to_string())),
        VerifyError::Header
    );
}

#[test]
fn a_header_of_1024_bytes_is_read_and_one_of_1025_is_not() {
    let issuer = Issuer::new();
    let header_of = |bytes: usize| {
        let bare = set(issuer.header(), "x", json!("")).to_string().len();
        set(issuer.header(), "x", json!("-".repeat(bytes - bare))).to_string()
    };
    assert_eq!(header_of(1_024).len(), 1_024);
    assert!(issuer.verify(&issuer.sign(header_of(1_024), payload().to_string())).is_ok());
    for bytes in [1_025, 1_026, 1_027, 5_000] {
        let refusal = issuer.refusal(&issuer.sign(header_of(bytes), payload().to_string()));
        assert_eq!(refusal, VerifyError::Header, "{bytes} bytes");
    }
}

#[test]
fn members_without_meaning_here_are_ignored() {
    let issuer = Issuer::new();
    for (name, value) in
        [("cty", json!("JSON")), ("x5t", json!("AAAA")), ("extra", json!({"a": [1, 2.5, null]}))]
    {
        assert!(issuer.verify(&issuer.with_header(name, value)).is_ok(), "{name}");
    }
}
