//! A verifier with a cache: what it accepts is what one without accepts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fiftyten_verify::{CacheLimits, Expect, KeySet, Verifier, VerifyError};
use proptest::prelude::*;
use serde_json::json;

use crate::issuer::{AUDIENCE, ISSUER, Issuer, NOW, at, expect, jwks, payload, set};

fn caching(issuer: &Issuer) -> Verifier {
    issuer.verifier().with_cache(CacheLimits::new())
}

fn keys(issuers: &[&Issuer]) -> KeySet {
    jwks(issuers.iter().map(|issuer| issuer.jwk())).parse().unwrap()
}

#[test]
fn a_token_that_was_met_before_gives_the_same_claims() {
    let issuer = Issuer::new();
    let verifier = caching(&issuer);
    let token = issuer.good();
    let first = verifier.verify_at(&token, at(NOW)).unwrap();
    for _ in 0..3 {
        assert_eq!(verifier.verify_at(&token, at(NOW)).unwrap(), first);
        assert_eq!(verifier.clone().verify_at(&token, at(NOW + 1)).unwrap(), first, "in a clone");
    }
    assert_eq!(issuer.verify(&token).unwrap(), first, "and without a cache");
}

#[test]
fn a_kept_token_is_refused_from_the_millisecond_of_its_end() {
    let issuer = Issuer::new();
    let verifier = caching(&issuer);
    let (token, end, ms) = (issuer.good(), at(NOW + 55), Duration::from_millis(1));
    assert!(verifier.verify_at(&token, at(NOW)).is_ok());
    assert!(verifier.verify_at(&token, end - ms).is_ok());
    assert_eq!(verifier.verify_at(&token, end), Err(VerifyError::Expired));
    assert_eq!(verifier.verify_at(&token, end + ms), Err(VerifyError::Expired));
    assert!(verifier.verify_at(&token, end - ms).is_ok(), "a clock that was set back");
}

#[test]
fn a_kept_token_is_refused_where_the_clock_says_it_is_not_valid_yet() {
    let issuer = Issuer::new();
    let verifier = caching(&issuer);
    let token = issuer.with_claim("nbf", json!(NOW + 20));
    assert_eq!(verifier.verify_at(&token, at(NOW)), Err(VerifyError::NotYetValid));
    assert!(verifier.verify_at(&token, at(NOW + 15)).is_ok(), "a refusal is not kept");
    assert_eq!(verifier.verify_at(&token, at(NOW + 14)), Err(VerifyError::NotYetValid));
}

#[test]
fn the_tokens_of_a_withdrawn_key_are_refused_at_once() {
    let (kept, withdrawn) = (Issuer::with(1, "kept"), Issuer::with(2, "withdrawn"));
    let verifier = Verifier::new(keys(&[&kept, &withdrawn]), expect()).with_cache(CacheLimits::new());
    let (good, bad) = (kept.good(), withdrawn.good());
    for _ in 0..2 {
        assert!(verifier.verify_at(&good, at(NOW)).is_ok());
        assert!(verifier.verify_at(&bad, at(NOW)).is_ok());
    }
    verifier.clone().set_keys(keys(&[&kept]));
    for _ in 0..2 {
        assert!(verifier.verify_at(&good, at(NOW)).is_ok());
        assert_eq!(verifier.verify_at(&bad, at(NOW)), Err(VerifyError::UnknownKey));
    }
    verifier.set_keys(keys(&[&kept, &withdrawn]));
    assert!(verifier.verify_at(&bad, at(NOW)).is_ok(), "a refusal is not kept");
}

#[test]
fn another_key_of_the_same_name_takes_nothing_over() {
    let (old, new) = (Issuer::with(1, "key-1"), Issuer::with(2, "key-1"));
    let verifier = caching(&old);
    assert!(verifier.verify_at(&old.good(), at(NOW)).is_ok());
    verifier.set_keys(keys(&[&new]));
    assert_eq!(verifier.verify_at(&old.good(), at(NOW)), Err(VerifyError::Signature));
    assert!(verifier.verify_at(&new.good(), at(NOW)).is_ok());
}

#[test]
fn a_key_for_another_algorithm_takes_nothing_over() {
    let issuer = Issuer::new();
    let verifier = caching(&issuer);
    assert!(verifier.verify_at(&issuer.good(), at(NOW)).is_ok());
    verifier.set_keys(jwks([set(issuer.jwk(), "alg", json!("Ed25519"))]).parse().unwrap());
    assert_eq!(verifier.verify_at(&issuer.good(), at(NOW)), Err(VerifyError::Algorithm));
}

#[test]
fn no_thread_accepts_a_token_after_its_key_was_withdrawn() {
    let (kept, withdrawn) = (Issuer::with(1, "kept"), Issuer::with(2, "withdrawn"));
    for _ in 0..20 {
        let verifier = Verifier::new(keys(&[&kept, &withdrawn]), expect()).with_cache(CacheLimits::new());
        let (token, is_withdrawn) = (withdrawn.good(), AtomicBool::new(false));
        let met = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    assert!(verifier.verify_at(&token, at(NOW)).is_ok());
                    met.wait();
                    let mut refused = 0;
                    while refused < 10 {
                        let must_refuse = is_withdrawn.load(Ordering::SeqCst);
                        let result = verifier.verify_at(&token, at(NOW));
                        assert!(!must_refuse || result == Err(VerifyError::UnknownKey), "{result:?}");
                        refused += u32::from(must_refuse);
                    }
                });
            }
            met.wait();
            verifier.set_keys(keys(&[&kept]));
            is_withdrawn.store(true, Ordering::SeqCst);
        });
    }
}

#[test]
fn a_kept_token_is_not_accepted_with_one_byte_changed() {
    let issuer = Issuer::new();
    let verifier = caching(&issuer);
    let good = issuer.good();
    assert!(verifier.verify_at(&good, at(NOW)).is_ok());
    for place in 0..good.len() {
        for bit in 0..7 {
            let mut bytes = good.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            let mutated = String::from_utf8(bytes).unwrap();
            assert!(verifier.verify_at(&mutated, at(NOW)).is_err(), "bit {bit} of byte {place}");
        }
    }
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = issuer.with_claim("sub", json!("user-2"));
    let (other, _) = other.rsplit_once('.').unwrap();
    assert_eq!(verifier.verify_at(&format!("{other}.{signature}"), at(NOW)), Err(VerifyError::Signature));
    assert_eq!(verifier.verify_at(&format!("{signed}.{signature}A"), at(NOW)), Err(VerifyError::Signature));
    assert!(verifier.verify_at(&good, at(NOW)).is_ok());
}

#[test]
fn a_token_kept_for_one_issuer_and_audience_is_refused_for_another() {
    let issuer = Issuer::new();
    let token = issuer.good();
    let with = |expect: Expect| Verifier::new(keys(&[&issuer]), expect).with_cache(CacheLimits::new());
    let (ours, other_issuer, other_audience) = (
        with(expect()),
        with(Expect::new("https://other.example/auth", AUDIENCE)),
        with(Expect::new(ISSUER, "https://other.example")),
    );
    for _ in 0..3 {
        assert!(ours.verify_at(&token, at(NOW)).is_ok());
        assert_eq!(other_issuer.verify_at(&token, at(NOW)), Err(VerifyError::Issuer));
        assert_eq!(other_audience.verify_at(&token, at(NOW)), Err(VerifyError::Audience));
    }
}

#[test]
fn a_flood_of_tokens_changes_no_result() {
    let issuer = Issuer::new();
    let limits = CacheLimits::new().max_entries(10).max_bytes(100_000);
    let verifier = issuer.verifier().with_cache(limits);
    let tokens: Vec<String> =
        (0..200).map(|number| issuer.with_claim("sub", json!(format!("user-{number}")))).collect();
    for _ in 0..2 {
        for (number, token) in tokens.iter().enumerate() {
            let claims = verifier.verify_at(token, at(NOW)).unwrap();
            assert_eq!(claims.subject(), format!("user-{number}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn a_hit_is_equal_to_a_miss_at_any_time(
        times in prop::collection::vec(0_u64..200_000, 1..20),
        nbf in prop::option::of(NOW - 60..NOW + 60),
        skew in 0_u64..30,
    ) {
        let issuer = Issuer::new();
        let expect = || expect().max_clock_skew(Duration::from_secs(skew));
        let claims = nbf.map_or_else(payload, |nbf| set(payload(), "nbf", json!(nbf)));
        let token = issuer.token(&issuer.header(), &claims);
        let caching = Verifier::new(keys(&[&issuer]), expect()).with_cache(CacheLimits::new());
        let plain = Verifier::new(keys(&[&issuer]), expect());
        for ms in times {
            let now = at(NOW - 100) + Duration::from_millis(ms);
            prop_assert_eq!(caching.verify_at(&token, now), plain.verify_at(&token, now));
        }
    }
}
