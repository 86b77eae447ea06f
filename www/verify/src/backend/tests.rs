//! Both backends against the same vectors: those of the Wycheproof project, and our own for what
//! libraries differ in.

#![allow(clippy::print_stdout, reason = "the counts are part of what these tests show")]

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use wycheproof::{TestResult, ecdsa, eddsa};

use super::{edwards, native, portable};

/// What a verifier answers: `None` if it does not take the key.
type Check<const KEY: usize> = fn(&[u8; KEY], &[u8], &[u8; 64]) -> Option<bool>;

const ED25519: [(&str, Check<32>); 2] = [
    ("aws-lc-rs", |x, message, signature| {
        let good = edwards::is_good_key(x).then(|| native::Ed25519::new(x))??;
        Some(!edwards::is_weak_signature(signature) && good.verify(message, signature))
    }),
    ("dalek", |x, message, signature| {
        let good = edwards::is_good_key(x).then(|| portable::Ed25519::new(x))??;
        Some(!edwards::is_weak_signature(signature) && good.verify(message, signature))
    }),
];

const P256: [(&str, Check<65>); 2] = [
    ("aws-lc-rs", |point, message, signature| {
        native::P256::new(point).map(|key| key.verify(message, signature))
    }),
    ("p256", |point, message, signature| {
        portable::P256::new(point).map(|key| key.verify(message, signature))
    }),
];

/// The key as raw bytes, the message, the signature, what is expected, and how to call it.
type Vector = (Vec<u8>, Vec<u8>, Vec<u8>, TestResult, String);

/// Runs a set, and says how many of its vectors passed, and how many had a signature that is not 64 bytes
/// long, which is refused before a library sees it.
fn run<const KEY: usize>(set: &str, backends: [(&str, Check<KEY>); 2], vectors: &[Vector]) {
    for (backend, check) in backends {
        let (mut accepted, mut refused, mut of_other_length) = (0, 0, 0);
        for (key, message, signature, expected, name) in vectors {
            let key = key.as_slice().try_into().unwrap_or_else(|_| panic!("{name}: key of {}", key.len()));
            let verified = match signature.as_slice().try_into() {
                Ok(signature) => {
                    check(key, message, signature).unwrap_or_else(|| panic!("{backend}, {name}: no key"))
                }
                Err(_) => {
                    of_other_length += 1;
                    false
                }
            };
            let valid = match expected {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("{name}: decide what to do with it"),
            };
            assert_eq!(verified, valid, "{backend}, {name}");
            *(if verified { &mut accepted } else { &mut refused }) += 1;
        }
        assert!(accepted > 50 && refused > 50, "{set} has {accepted} valid and {refused} invalid vectors");
        println!(
            "wycheproof {set}, {backend}: {} vectors, {accepted} accepted, {refused} refused, of these \
             {of_other_length} by their length",
            vectors.len()
        );
    }
}

#[test]
fn wycheproof_ed25519_gives_the_expected_results_with_both() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut vectors = Vec::new();
    for group in set.test_groups {
        for test in group.tests {
            let name = format!("test {}, {}, {:?}", test.tc_id, test.comment, test.flags);
            vectors.push((group.key.pk.to_vec(), test.msg.to_vec(), test.sig.to_vec(), test.result, name));
        }
    }
    run("Ed25519", ED25519, &vectors);
    println!(
        "wycheproof Ed448: not applicable, there is no such key here (RFC 8037 has it, no key set we read)"
    );
}

#[test]
fn wycheproof_p256_gives_the_expected_results_with_both() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut vectors = Vec::new();
    for group in set.test_groups {
        for test in group.tests {
            let name = format!("test {}, {}, {:?}", test.tc_id, test.comment, test.flags);
            let key = group.key.key.to_vec();
            vectors.push((key, test.msg.to_vec(), test.sig.to_vec(), test.result, name));
        }
    }
    run("P-256 SHA-256 P1363", P256, &vectors);
    let others: Vec<_> = ecdsa::TestName::all()
        .into_iter()
        .filter(|name| *name != ecdsa::TestName::EcdsaSecp256r1Sha256P1363)
        .map(|name| format!("{name:?}"))
        .collect();
    println!(
        "wycheproof ECDSA: not applicable, because JWS has ES256 in the fixed form only (RFC 7518 section 3.4) \
         and other curves and hashes have no key here: {}",
        others.join(", ")
    );
}

/// Wycheproof has no vectors for keys of small order.
#[test]
fn keys_of_small_or_mixed_order_and_other_spellings_are_refused() {
    let base = ED25519_BASEPOINT_POINT;
    assert!(edwards::is_good_key(&base.compress().to_bytes()));
    for torsion in EIGHT_TORSION {
        let encoding = torsion.compress().to_bytes();
        assert!(!edwards::is_good_key(&encoding));
        assert!(edwards::is_weak_signature(&[encoding, [1; 32]].concat().try_into().unwrap()));
        let mixed = base + torsion;
        assert_eq!(edwards::is_good_key(&mixed.compress().to_bytes()), mixed == base);
    }
    // y + p for the few y below 19 that leave room for it, and the sign of a zero.
    let mut spellings = 0;
    for low in (0xed..=0xff_u8).flat_map(|low| [(low, 0x7f), (low, 0xff)]).chain([(1, 0x80)]) {
        let mut x = if low.0 == 1 { [0; 32] } else { [0xff; 32] };
        (x[0], x[31]) = low;
        assert!(!edwards::is_good_key(&x), "{x:02x?}");
        spellings += usize::from(CompressedEdwardsY(x).decompress().is_some());
    }
    assert!(spellings > 10, "only {spellings} of them are read by the library, which makes this a weak test");
}

/// With R the neutral element and s = k a, the equation holds, for a signer who gives the key away.
#[test]
fn a_signature_with_a_point_of_small_order_is_refused_by_both() {
    use curve25519_dalek::scalar::Scalar;
    use sha2::Sha512;
    let (secret, message) = (Scalar::from(7_u64), b"message");
    let key = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
    let neutral = EIGHT_TORSION[0].compress().to_bytes();
    let hash: [u8; 64] = <Sha512 as sha2::Digest>::digest([&neutral[..], &key, message].concat()).into();
    let s = (Scalar::from_bytes_mod_order_wide(&hash) * secret).to_bytes();
    let signature: [u8; 64] = [neutral, s].concat().try_into().unwrap();
    assert!(native::Ed25519::new(&key).unwrap().verify(message, &signature), "the equation does not hold");
    for (backend, check) in ED25519 {
        assert_eq!(check(&key, message, &signature), Some(false), "{backend}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_agree_on_any_key_and_signature(seed: [u8; 32], key: [u8; 32], bits in prop::collection::vec(0_usize..768, 0..3)) {
        let signing = SigningKey::from_bytes(&seed);
        let message = b"header.payload";
        let mut all = [signing.verifying_key().as_bytes(), &signing.sign(message).to_bytes()[..]].concat();
        for bit in &bits {
            all[bit / 8] ^= 1 << (bit % 8);
        }
        let signature: &[u8; 64] = all[32..].try_into().unwrap();
        let answers = ED25519.map(|(_, check)| {
            (check(all[..32].try_into().unwrap(), message, signature), check(&key, message, signature))
        });
        prop_assert_eq!(answers[0], answers[1]);
        if bits.is_empty() {
            prop_assert_eq!(answers[0].0, Some(true));
        }
    }

    /// All bits but those of the first byte, which says how a point is written: a JWK does not have it, and
    /// the libraries disagree on its rarer values.
    #[test]
    fn both_agree_on_any_p256_key_and_signature(seed in prop::array::uniform32(1_u8..), bits in prop::collection::vec(8_usize..1_032, 0..3)) {
        let Ok(signing) = p256::ecdsa::SigningKey::from_slice(&seed) else { return Ok(()) };
        let message = b"header.payload";
        let signature: p256::ecdsa::Signature = signing.sign(message);
        let key = signing.verifying_key().to_encoded_point(false);
        let mut all = [key.as_bytes(), &signature.to_bytes()].concat();
        for bit in &bits {
            all[bit / 8] ^= 1 << (bit % 8);
        }
        let answers = P256
            .map(|(_, check)| check(all[..65].try_into().unwrap(), message, all[65..].try_into().unwrap()));
        prop_assert_eq!(answers[0], answers[1]);
        if bits.is_empty() {
            prop_assert_eq!(answers[0], Some(true));
        }
    }
}
