//! Any text as a key set: no panic, and what is read keeps to the limits.

#![no_main]

use fiftyten_verify::{KeySet, MAX_JWKS_BYTES, MAX_KEYS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(keys) = text.parse::<KeySet>() {
        assert!(text.len() <= MAX_JWKS_BYTES);
        assert!((1..=MAX_KEYS).contains(&keys.len()));
        assert!(keys.key_ids().all(|id| !id.is_empty() && id.len() <= 128));
    }
});
