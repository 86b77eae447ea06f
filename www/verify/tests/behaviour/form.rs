//! Size, parts, base64url.

use fiftyten_verify::{MAX_TOKEN_BYTES, VerifyError};
use serde_json::json;

use crate::issuer::{Issuer, base64url, payload, set};

#[test]
fn a_good_token_is_accepted() {
    let issuer = Issuer::new();
    assert!(issuer.verify(&issuer.good()).is_ok());
}

#[test]
fn a_token_of_8192_bytes_is_read_and_one_of_8193_is_not() {
    let issuer = Issuer::new();
    let token_of = |bytes: usize| {
        // Not every filler meets the length, because base64 comes in fours: pad the header too.
        (0..4).flat_map(|pad| (5_000..6_000).map(move |filler| (pad, filler))).find_map(|(pad, filler)| {
            let header = set(issuer.header(), "pad", json!("-".repeat(pad))).to_string();
            let payload = set(payload(), "filler", json!("-".repeat(filler))).to_string();
            let length = (header.len() * 4).div_ceil(3) + (payload.len() * 4).div_ceil(3) + 86 + 2;
            (length == bytes).then(|| issuer.sign(header, payload))
        })
    };
    let longest = token_of(MAX_TOKEN_BYTES).unwrap();
    assert_eq!(longest.len(), 8192);
    assert!(issuer.verify(&longest).is_ok());
    assert_eq!(issuer.refusal(&token_of(8193).unwrap()), VerifyError::TooLarge);
}

#[test]
fn a_megabyte_is_refused_by_its_size_alone() {
    let issuer = Issuer::new();
    assert_eq!(issuer.refusal(&"a".repeat(1 << 20)), VerifyError::TooLarge);
    assert_eq!(issuer.refusal(&".".repeat(1 << 20)), VerifyError::TooLarge);
    let bloated = issuer.with_claim("filler", json!("-".repeat(1 << 20)));
    assert_eq!(issuer.refusal(&bloated), VerifyError::TooLarge);
}

#[test]
fn exactly_three_parts_are_required() {
    let issuer = Issuer::new();
    let good = issuer.good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    for bad in [
        String::new(),
        header.to_owned(),
        format!("{header}.{payload}"),
        format!("{good}.{signature}"),
        format!("{header}.{payload}.{payload}.{signature}"),
        format!("{header}.{payload}.{payload}.{payload}.{signature}"), // the five parts of a JWE
        format!("{good}."),
        format!(".{good}"),
    ] {
        assert_eq!(issuer.refusal(&bad), VerifyError::NotCompact, "{} parts", bad.split('.').count());
    }
}

#[test]
fn no_part_may_be_empty() {
    let issuer = Issuer::new();
    let good = issuer.good();
    for empty in 0..3 {
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[empty] = "";
        assert_eq!(issuer.refusal(&parts.join(".")), VerifyError::NotCompact, "part {empty}");
    }
    for bad in ["..", ".", "..."] {
        assert_eq!(issuer.refusal(bad), VerifyError::NotCompact);
    }
}

#[test]
fn whitespace_and_padding_and_foreign_alphabets_are_refused_in_every_part() {
    let issuer = Issuer::new();
    let good = issuer.good();
    for part in 0..3 {
        for insert in ["=", "==", " ", "\n", "\r\n", "\t", "+", "/", "%", "é", "\0"] {
            for front in [true, false] {
                let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
                parts[part] =
                    if front { insert.to_owned() + &parts[part] } else { parts[part].clone() + insert };
                // Signed anew where that can be, so that nothing but the encoding is wrong.
                let bad = if part < 2 { issuer.seal(&parts[..2].join(".")) } else { parts.join(".") };
                // A signature that is longer is one of another length before it is anything else.
                let wanted = if part < 2 { VerifyError::Encoding } else { VerifyError::Signature };
                assert_eq!(issuer.refusal(&bad), wanted, "{insert:?} in part {part}");
            }
        }
    }
}

#[test]
fn a_foreign_character_in_the_signature_is_refused() {
    let issuer = Issuer::new();
    let good = issuer.good();
    let start = good.rfind('.').unwrap() + 1;
    for foreign in ["=", " ", "\n", "+", "/", "\0"] {
        for place in [start, start + 40, good.len() - 1] {
            let bad = format!("{}{foreign}{}", &good[..place], &good[place + 1..]);
            assert_eq!(issuer.refusal(&bad), VerifyError::Encoding, "{foreign:?} at {place}");
        }
    }
}

#[test]
fn a_second_spelling_of_the_same_bytes_is_refused_in_every_part() {
    let issuer = Issuer::new();
    // Lengths that leave unused bits in the last character, which must be zero.
    let header = r#"{"alg":"EdDSA","typ":"session+jwt","kid":"key-1"}"#;
    let header = format!("{header}{}", " ".repeat((4 - header.len() % 3) % 3));
    let payload = payload().to_string();
    let payload = format!("{payload}{}", " ".repeat((4 - payload.len() % 3) % 3));
    assert_eq!((header.len() % 3, payload.len() % 3), (1, 1));
    let good = issuer.sign(&header, &payload);
    assert!(issuer.verify(&good).is_ok());

    for part in 0..3 {
        let mut parts: Vec<String> = good.split('.').map(str::to_owned).collect();
        let last = parts[part].pop().unwrap();
        parts[part].push(char::from(last as u8 + 1)); // the next one of the alphabet: an unused bit set
        let bad = if part < 2 { issuer.seal(&parts[..2].join(".")) } else { parts.join(".") };
        assert_eq!(issuer.refusal(&bad), VerifyError::Encoding, "part {part}");
    }
}

#[test]
fn a_part_of_impossible_length_is_refused() {
    let issuer = Issuer::new();
    let header = base64url(issuer.header().to_string().as_bytes());
    let payload = base64url(payload().to_string().as_bytes());
    let cut = |part: &str| part[..part.len() / 4 * 4 - 3].to_owned(); // 4n + 1 characters
    assert_eq!(issuer.refusal(&issuer.seal(&format!("{}.{payload}", cut(&header)))), VerifyError::Encoding);
    assert_eq!(issuer.refusal(&issuer.seal(&format!("{header}.{}", cut(&payload)))), VerifyError::Encoding);
}

#[test]
fn what_clients_send_by_mistake_is_refused() {
    let issuer = Issuer::new();
    for bad in ["undefined", "null", "[object Object]", "Bearer", "true", "NaN", "eyJ", "{}"] {
        assert_eq!(issuer.refusal(bad), VerifyError::NotCompact, "{bad}");
    }
}
