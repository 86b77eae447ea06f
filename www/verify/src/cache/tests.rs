//! The cache by itself: what it finds, and what it keeps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::{Cache, CacheLimits, MAX_SHARDS};
use crate::claims::Claims;
use crate::expect::Expect;

const NOW: u64 = 1_800_000_000;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn claims(subject: &str, expires_at: u64) -> Claims {
    let payload = format!(
        r#"{{"iss":"i","aud":"a","sub":"{subject}","sid":"s","iat":{NOW},"exp":{expires_at},"list":[1,2,{{"a":"b"}}]}}"#
    );
    Claims::read(payload.as_bytes(), &Expect::new("i", "a")).unwrap()
}

/// As long as a token, and with a tail that differs from all others'.
fn token(number: usize) -> String {
    format!("{}.{number:086}", "h".repeat(600))
}

#[test]
fn what_was_kept_is_found_under_the_same_keys_only() {
    let cache = Cache::new(CacheLimits::new());
    assert!(cache.get(&token(1), 0).is_none());
    cache.insert(&token(1), &claims("ada", NOW + 60), 0, now());
    assert_eq!(cache.get(&token(1), 0).unwrap().subject(), "ada");
    assert!(cache.get(&token(1), 1).is_none(), "the keys have changed");
    assert!(cache.get(&token(2), 0).is_none());
    cache.insert(&token(1), &claims("ada", NOW + 60), 1, now());
    assert!(cache.get(&token(1), 1).is_some());
    assert_eq!(cache.size().0, 1, "the newer one has replaced the older");
}

#[test]
fn tokens_of_one_hash_are_told_apart() {
    // The tail is what is hashed: these collide, as tokens with two signatures alike would.
    let cache = Cache::new(CacheLimits::new());
    let (one, other) = (format!("one.{:086}", 7), format!("oneother.{:086}", 7));
    let same_length = format!("two.{:086}", 7);
    assert_eq!(cache.hash(&one), cache.hash(&other));
    cache.insert(&one, &claims("ada", NOW + 60), 0, now());
    assert!(cache.get(&other, 0).is_none());
    assert!(cache.get(&same_length, 0).is_none());
    cache.insert(&same_length, &claims("bob", NOW + 60), 0, now());
    assert!(cache.get(&one, 0).is_none());
    assert_eq!(cache.get(&same_length, 0).unwrap().subject(), "bob");
    assert_eq!(cache.size().0, 1);
}

#[test]
fn one_changed_byte_is_not_found() {
    let cache = Cache::new(CacheLimits::new());
    let good = token(1);
    cache.insert(&good, &claims("ada", NOW + 60), 0, now());
    for place in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[place] ^= 1;
        assert!(cache.get(&String::from_utf8(bytes).unwrap(), 0).is_none(), "byte {place}");
    }
    assert!(cache.get(&good[1..], 0).is_none() && cache.get(&format!("h{good}"), 0).is_none());
    assert!(cache.get("", 0).is_none());
}

#[test]
fn a_flood_of_tokens_stays_within_both_limits() {
    let one = {
        let cache = Cache::new(CacheLimits::new());
        cache.insert(&token(0), &claims("ada", NOW + 60), 0, now());
        cache.size().1
    };
    assert!(one > token(0).len(), "a token takes at least its own length");
    for (entries, bytes) in
        [(1_000, usize::MAX), (usize::MAX, 1_000_000), (1, 1 << 20), (5_000, 300_000), (100, 0)]
    {
        let cache = Cache::new(CacheLimits::new().max_entries(entries).max_bytes(bytes));
        for number in 0..10_000 {
            cache.insert(&token(number), &claims("ada", NOW + 60), 0, now());
            if number % 100 == 0 {
                let size = cache.size();
                assert!(size.0 <= entries && size.1 <= bytes, "{size:?} of {entries}, {bytes}");
            }
        }
        let (kept, taken) = cache.size();
        assert!(kept <= entries && taken <= bytes, "{kept}, {taken} of {entries}, {bytes}");
        let room = entries.min(bytes / one);
        assert!(kept >= room - room / 4, "only {kept} where {room} have room");
        assert_eq!(cache.get(&token(9_999), 0).is_some(), room > 0, "the newest is there");
        assert!(cache.get(&token(0), 0).is_none(), "the oldest is gone");
    }
}

#[test]
fn a_token_larger_than_its_part_is_not_kept_and_drives_nothing_out() {
    let cache = Cache::new(CacheLimits::new().max_bytes(20_000));
    cache.insert(&token(1), &claims("ada", NOW + 60), 0, now());
    cache.insert(&token(2), &claims(&"x".repeat(20_000), NOW + 60), 0, now());
    assert!(cache.get(&token(1), 0).is_some());
    assert!(cache.get(&token(2), 0).is_none());
}

#[test]
fn what_has_expired_makes_room_for_what_comes() {
    let cache = Cache::new(CacheLimits::new());
    for number in 0..5_000 {
        cache.insert(&token(number), &claims("ada", NOW + 60), 0, now());
    }
    assert_eq!(cache.size().0, 5_000);
    let later = now() + Duration::from_secs(60);
    for number in 5_000..6_000 {
        cache.insert(&token(number), &claims("ada", NOW + 120), 0, later);
    }
    assert_eq!(cache.size().0, 1_000);
}

#[test]
fn claims_of_many_small_values_count_for_what_they_take() {
    let payload = |list: &str| {
        format!(r#"{{"iss":"i","aud":"a","sub":"u","sid":"s","iat":{NOW},"exp":{},"list":{list}}}"#, NOW + 60)
    };
    let bytes = |list: &str| Claims::read(payload(list).as_bytes(), &Expect::new("i", "a")).unwrap().bytes();
    let numbers = format!("[{}1]", "1,".repeat(999));
    assert!(bytes(&numbers) >= bytes("[]") + 1_000 * size_of::<serde_json::Value>());
    let text = format!("\"{}\"", "x".repeat(5_000));
    assert!(bytes(&text) >= bytes("\"\"") + 5_000);
}

#[test]
fn no_limit_is_too_strange() {
    for entries in [0, 1, 63, 64, usize::MAX] {
        for bytes in [0, 1, 8_192, usize::MAX] {
            let cache = Cache::new(CacheLimits::new().max_entries(entries).max_bytes(bytes));
            assert!((1..=MAX_SHARDS).contains(&cache.shards.len()));
            cache.insert(&token(1), &claims("ada", NOW + 60), 0, now());
            assert_eq!(cache.get(&token(1), 0).is_some(), entries > 0 && bytes >= 8_192);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to it, its counts are those of what it holds.
    #[test]
    fn its_books_are_right(
        entries in 0_usize..20,
        bytes in 0_usize..20_000,
        steps in prop::collection::vec((0_usize..30, 0_u64..3, 0_u64..100, 0_usize..2_000), 0..200),
    ) {
        let cache = Cache::new(CacheLimits::new().max_entries(entries).max_bytes(bytes));
        for (number, generation, time, length) in steps {
            let time = now() + Duration::from_secs(time);
            cache.insert(&token(number), &claims(&"x".repeat(length + 1), NOW + 60), generation, time);
            for shard in &cache.shards {
                let shard = shard.read().unwrap();
                prop_assert_eq!(shard.bytes, shard.entries.values().map(super::Entry::bytes).sum::<usize>());
                prop_assert_eq!(shard.order.len(), shard.entries.len());
                prop_assert!(shard.order.iter().all(|hash| shard.entries.contains_key(hash)));
                prop_assert!(shard.bytes <= bytes && shard.entries.len() <= entries);
            }
        }
    }
}
