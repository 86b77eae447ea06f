//! What the token claims.

use std::time::{Duration, UNIX_EPOCH};

use fiftyten_verify::{Expect, Verifier, VerifyError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::issuer::{AUDIENCE, ISSUER, Issuer, NOW, at, expect, jwks, payload, set};

#[test]
fn claims_read_back_as_they_were_issued() {
    #[derive(Deserialize, PartialEq, Debug)]
    struct Limits {
        orders: u32,
    }
    let issuer = Issuer::new();
    let claims = issuer.verify(&issuer.with_claim("limits", json!({"orders": 7}))).unwrap();
    assert_eq!(claims.subject(), "user-1");
    assert_eq!(claims.session(), "session-1");
    assert_eq!(claims.issuer(), ISSUER);
    assert_eq!(claims.audience(), [AUDIENCE]);
    assert_eq!(claims.issued_at(), at(NOW - 5));
    assert_eq!(claims.expires_at(), at(NOW + 55));
    assert_eq!(claims.expires_in(at(NOW)), Duration::from_secs(55));
    assert_eq!(claims.expires_in(at(NOW + 56)), Duration::ZERO);
    assert_eq!(claims.roles(), ["admin"]);
    assert!(claims.has_role("admin") && !claims.has_role("Admin") && !claims.has_role("adm"));
    assert!(claims.has_permission("orders:refund") && !claims.has_permission("orders:*"));
    assert_eq!(claims.permissions().len(), 2);
    assert_eq!(claims.get::<String>("plan").unwrap().as_deref(), Some("pro"));
    assert_eq!(claims.get::<Limits>("limits").unwrap(), Some(Limits { orders: 7 }));
    assert_eq!(claims.get::<String>("none").unwrap(), None);
    assert!(claims.get::<u32>("plan").is_err());
    assert_eq!(claims.extra().len(), 2, "only the app's own");
    assert_eq!(claims, claims.clone());
}

#[test]
fn another_issuer_is_refused_however_similar() {
    let issuer = Issuer::new();
    for iss in [
        "https://app.example/auth/",
        "https://app.example",
        "https://app.example/AUTH",
        "http://app.example/auth",
        "https://evil.example/auth",
        "https://app.example/auth\0",
    ] {
        assert_eq!(issuer.refusal(&issuer.with_claim("iss", json!(iss))), VerifyError::Issuer, "{iss}");
    }
}

#[test]
fn the_audience_may_be_one_of_several() {
    let issuer = Issuer::new();
    for aud in [json!(AUDIENCE), json!([AUDIENCE]), json!(["https://other.example", AUDIENCE])] {
        assert!(issuer.verify(&issuer.with_claim("aud", aud)).is_ok());
    }
}

#[test]
fn another_audience_is_refused() {
    let issuer = Issuer::new();
    for aud in [
        json!("https://other.example"),
        json!("https://app.example/"),
        json!("https://app.example.evil.example"),
        json!(["https://other.example"]),
        json!([]),
    ] {
        assert_eq!(issuer.refusal(&issuer.with_claim("aud", aud.clone())), VerifyError::Audience, "{aud}");
    }
    for aud in [json!({"0": AUDIENCE}), json!([AUDIENCE, 1]), json!([[AUDIENCE]]), json!(1)] {
        assert_eq!(issuer.refusal(&issuer.with_claim("aud", aud)), VerifyError::ClaimMalformed("aud"));
    }
}

#[test]
fn required_claims_must_be_there_and_not_be_empty() {
    let issuer = Issuer::new();
    for name in ["iss", "aud", "sub", "sid", "exp", "iat"] {
        let token = issuer.with_claim(name, Value::Null);
        assert_eq!(issuer.refusal(&token), VerifyError::ClaimMissing(name));
    }
    for name in ["iss", "aud", "sub", "sid"] {
        assert_eq!(issuer.refusal(&issuer.with_claim(name, json!(""))), VerifyError::ClaimMissing(name));
        if name != "aud" {
            for value in [json!(1), json!(["user-1"]), json!({}), json!(true)] {
                assert_eq!(
                    issuer.refusal(&issuer.with_claim(name, value)),
                    VerifyError::ClaimMalformed(name)
                );
            }
        }
    }
    for name in ["iss", "aud", "sub", "sid", "exp", "iat", "nbf", "roles", "permissions"] {
        let refusal = issuer.refusal(&with_claim_text(&issuer, name, "null"));
        assert_eq!(refusal, VerifyError::ClaimMalformed(name), "{name}: null");
    }
}

/// A good token but for one claim, whose value may be anything, JSON or not.
fn with_claim_text(issuer: &Issuer, name: &str, value: &str) -> String {
    let claims = set(payload(), name, json!("MARK")).to_string().replace("\"MARK\"", value);
    issuer.sign(issuer.header().to_string(), claims)
}

#[test]
fn a_token_is_accepted_to_the_last_millisecond_and_refused_on_the_next() {
    let issuer = Issuer::new();
    let (verifier, token) = (issuer.verifier(), issuer.good());
    let end = at(NOW + 55);
    let ms = Duration::from_millis(1);
    assert!(verifier.verify_at(&token, end - ms).is_ok());
    assert!(verifier.verify_at(&token, end - Duration::from_nanos(1)).is_ok());
    assert_eq!(verifier.verify_at(&token, end), Err(VerifyError::Expired));
    assert_eq!(verifier.verify_at(&token, end + ms), Err(VerifyError::Expired));
    assert_eq!(
        verifier.verify_at(&token, end + Duration::from_secs(86_400 * 365)),
        Err(VerifyError::Expired)
    );
}

#[test]
fn a_time_that_is_no_whole_number_of_seconds_is_refused() {
    let issuer = Issuer::new();
    for name in ["exp", "iat", "nbf"] {
        for text in [
            "-1",
            "-9223372036854775808",
            "1800000055.0",
            "1800000055.5",
            "1.8e9",
            "\"1800000055\"",
            "\"\"",
            "true",
            "[]",
            "{}",
            "[1800000055]",
            "253402300800",  // the year 10000
            "1800000055000", // milliseconds
            "9223372036854775807",
            "18446744073709551615",
            "18446744073709551616", // above u64
            "1e300",
            "1e18",
        ] {
            let refusal = issuer.refusal(&with_claim_text(&issuer, name, text));
            assert_eq!(refusal, VerifyError::ClaimMalformed(name), "{name}: {text}");
        }
        for text in [
            "1e999",
            "-1e999",
            "NaN",
            "Infinity",
            "-Infinity",
            "0x6b49d200",
            "01800000055",
            "1800000055.",
            "+1",
        ] {
            let refusal = issuer.refusal(&with_claim_text(&issuer, name, text));
            assert_eq!(refusal, VerifyError::Payload, "{name}: {text}");
        }
    }
}

#[test]
fn a_token_from_the_future_is_refused_beyond_five_seconds() {
    let issuer = Issuer::new();
    let issued = |iat: u64| {
        issuer.token(&issuer.header(), &set(set(payload(), "iat", json!(iat)), "exp", json!(iat + 60)))
    };
    assert!(issuer.verify(&issued(NOW)).is_ok());
    assert!(issuer.verify(&issued(NOW + 5)).is_ok());
    assert_eq!(issuer.refusal(&issued(NOW + 6)), VerifyError::NotYetValid);
    let verifier = issuer.verifier();
    let just_before = at(NOW + 1) - Duration::from_millis(1);
    assert_eq!(verifier.verify_at(&issued(NOW + 6), just_before), Err(VerifyError::NotYetValid));
    assert!(verifier.verify_at(&issued(NOW + 6), at(NOW + 1)).is_ok());
}

#[test]
fn not_before_is_honoured_where_it_is_there() {
    let issuer = Issuer::new();
    assert!(issuer.verify(&issuer.with_claim("nbf", json!(NOW - 5))).is_ok());
    assert!(issuer.verify(&issuer.with_claim("nbf", json!(NOW + 5))).is_ok());
    assert_eq!(issuer.refusal(&issuer.with_claim("nbf", json!(NOW + 6))), VerifyError::NotYetValid);
}

#[test]
fn the_skew_is_no_leeway_on_expiry() {
    let issuer = Issuer::new();
    let generous = expect().max_clock_skew(Duration::from_secs(3_600));
    let verifier = Verifier::from_jwks(&jwks([issuer.jwk()]), generous).unwrap();
    assert_eq!(verifier.verify_at(&issuer.good(), at(NOW + 55)), Err(VerifyError::Expired));
    assert!(verifier.verify_at(&issuer.good(), at(NOW - 3_605)).is_ok());
    assert_eq!(verifier.verify_at(&issuer.good(), at(NOW - 3_606)), Err(VerifyError::NotYetValid));
}

#[test]
fn a_lifetime_is_positive_and_at_most_ten_minutes() {
    let issuer = Issuer::new();
    let lives = |iat: u64, exp: u64| {
        issuer.token(&issuer.header(), &set(set(payload(), "iat", json!(iat)), "exp", json!(exp)))
    };
    assert!(issuer.verify(&lives(NOW, NOW + 600)).is_ok());
    assert_eq!(issuer.refusal(&lives(NOW, NOW + 601)), VerifyError::Lifetime);
    assert_eq!(issuer.refusal(&lives(0, NOW + 1)), VerifyError::Lifetime);
    assert_eq!(issuer.refusal(&lives(NOW, 253_402_300_799)), VerifyError::Lifetime);
    assert_eq!(issuer.refusal(&lives(NOW + 3, NOW + 3)), VerifyError::Lifetime);
    assert_eq!(issuer.refusal(&lives(NOW + 3, NOW + 2)), VerifyError::Lifetime);

    let strict = expect().max_lifetime(Duration::from_secs(60));
    let verifier = Verifier::from_jwks(&jwks([issuer.jwk()]), strict).unwrap();
    assert!(verifier.verify_at(&lives(NOW, NOW + 60), at(NOW)).is_ok());
    assert_eq!(verifier.verify_at(&lives(NOW, NOW + 61), at(NOW)), Err(VerifyError::Lifetime));
}

#[test]
fn extreme_clocks_and_limits_do_not_overflow() {
    let issuer = Issuer::new();
    let endless = expect().max_lifetime(Duration::MAX).max_clock_skew(Duration::MAX);
    let verifier = Verifier::from_jwks(&jwks([issuer.jwk()]), endless).unwrap();
    assert!(verifier.verify_at(&issuer.good(), UNIX_EPOCH).is_ok());
    assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_ok());
    assert!(verifier.verify_at(&issuer.good(), UNIX_EPOCH - Duration::from_secs(1)).is_ok());
    assert_eq!(verifier.verify_at(&issuer.good(), at(1 << 40)), Err(VerifyError::Expired));
    let before_1970 = UNIX_EPOCH - Duration::from_secs(86_400);
    assert_eq!(issuer.verifier().verify_at(&issuer.good(), before_1970), Err(VerifyError::NotYetValid));
}

#[test]
fn roles_and_permissions_may_be_absent_but_not_of_another_type() {
    let issuer = Issuer::new();
    for name in ["roles", "permissions"] {
        let claims = issuer.verify(&issuer.with_claim(name, Value::Null)).unwrap();
        assert!(if name == "roles" { claims.roles() } else { claims.permissions() }.is_empty());
        for value in
            [json!("admin"), json!({"admin": true}), json!([["admin"]]), json!(["admin", 1]), json!(1)]
        {
            assert_eq!(issuer.refusal(&issuer.with_claim(name, value)), VerifyError::ClaimMalformed(name));
        }
    }
}

#[test]
fn a_payload_that_says_something_twice_is_refused_in_any_spelling() {
    let issuer = Issuer::new();
    let good = payload().to_string();
    for extra in [
        r#""exp":1800000055"#,
        r#""\u0065xp":9999999999"#,
        r#""sub":"user-2""#,
        r#""s\u0075b":"user-2""#,
        r#""x":1,"x":1"#,
        r#""x":{"a":1,"\u0061":1}"#,
        r#""x":[{"a":1,"a":1}]"#,
    ] {
        let claims = good.replacen('{', &format!("{{{extra},"), 1);
        assert_eq!(
            issuer.refusal(&issuer.sign(issuer.header().to_string(), claims)),
            VerifyError::Payload,
            "{extra}"
        );
    }
}

#[test]
fn a_payload_that_is_not_one_shallow_object_is_refused() {
    let issuer = Issuer::new();
    let header = issuer.header().to_string();
    let deep = "[".repeat(2_500) + &"]".repeat(2_500);
    let trailing = payload().to_string() + " 1";
    for claims in ["null", "[]", "1", "\"\"", "{", "{}x", "\u{feff}{}", &trailing] {
        assert_eq!(issuer.refusal(&issuer.sign(&header, claims)), VerifyError::Payload);
    }
    assert_eq!(issuer.refusal(&with_claim_text(&issuer, "x", &deep)), VerifyError::Payload);
    assert_eq!(
        issuer.refusal(&issuer.sign(&header, b"{\"iss\":\"\xc3\x28\"}")),
        VerifyError::Payload,
        "not UTF-8"
    );
    assert_eq!(
        issuer.refusal(&issuer.sign(&header, r#"{"iss":"\ud800"}"#)),
        VerifyError::Payload,
        "half a character"
    );
    assert_eq!(issuer.refusal(&issuer.sign(&header, "{}")), VerifyError::ClaimMissing("iss"));
}

#[test]
fn an_empty_expectation_matches_nothing() {
    let issuer = Issuer::new();
    let verifier = Verifier::from_jwks(&jwks([issuer.jwk()]), Expect::new("", "")).unwrap();
    assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_err());
    assert!(verifier.verify_at(&issuer.with_claim("iss", json!("")), at(NOW)).is_err());
}
