//! Limits on attempts: token buckets in memory, a bounded number of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Buckets kept at a time. An attacker who makes more makes the server forget those that matter least.
const MOST_BUCKETS: usize = 16_384;

/// Grants each key `burst` attempts at once, and one more every `refill_ms`.
#[derive(Debug)]
pub(crate) struct Limit<K> {
    burst: f64,
    refill_ms: f64,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    attempts: f64,
    at_ms: u64,
}

impl<K: Eq + Hash> Limit<K> {
    pub(crate) fn new(burst: u32, refill_ms: u32) -> Self {
        Self { burst: f64::from(burst), refill_ms: f64::from(refill_ms), buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one attempt, or says in how many seconds there will be one.
    pub(crate) fn take(&self, key: K, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&key) {
            self.forget(&mut buckets, now_ms);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { attempts: self.burst, at_ms: now_ms });
        // A clock that was ahead, and was set right, must not keep it empty until then.
        bucket.at_ms = bucket.at_ms.min(now_ms);
        let attempts = self.attempts(bucket, now_ms);
        if attempts < 1.0 {
            return Err(((1.0 - attempts) * self.refill_ms / 1000.0).ceil() as u64);
        }
        *bucket = Bucket { attempts: attempts - 1.0, at_ms: now_ms };
        Ok(())
    }

    /// Gives an attempt back: one that succeeded does not count.
    pub(crate) fn refund(&self, key: &K) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(key) {
            bucket.attempts = (bucket.attempts + 1.0).min(self.burst);
        }
    }

    /// Attempts in `bucket` now. A clock that goes back adds none.
    fn attempts(&self, bucket: &Bucket, now_ms: u64) -> f64 {
        let refilled = now_ms.saturating_sub(bucket.at_ms) as f64 / self.refill_ms;
        (bucket.attempts + refilled).min(self.burst)
    }

    /// Forgets the fuller half: those are the keys that have hardly tried.
    fn forget(&self, buckets: &mut HashMap<K, Bucket>, now_ms: u64) {
        let mut fill: Vec<f64> = buckets.values().map(|bucket| self.attempts(bucket, now_ms)).collect();
        let middle = fill.len() / 2;
        let (_, &mut median, _) = fill.select_nth_unstable_by(middle, f64::total_cmp);
        let mut surplus = buckets.len() - middle;
        buckets.retain(|_, bucket| {
            let forgotten = surplus > 0 && self.attempts(bucket, now_ms) >= median;
            surplus -= usize::from(forgotten);
            !forgotten
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_every_refill() {
        let limit = Limit::new(3, 2_000);
        for _ in 0..3 {
            assert_eq!(limit.take("k", 0), Ok(()));
        }
        assert_eq!(limit.take("k", 0), Err(2));
        assert_eq!(limit.take("k", 1_500), Err(1));
        assert_eq!(limit.take("other", 0), Ok(()));
        assert_eq!(limit.take("k", 2_000), Ok(()));
        assert_eq!(limit.take("k", 2_000), Err(2));
        for _ in 0..3 {
            assert_eq!(limit.take("k", 1_000_000), Ok(()));
        }
        assert_eq!(limit.take("k", 1_000_000), Err(2));
    }

    #[test]
    fn a_refund_gives_back_what_was_taken_and_no_more() {
        let limit = Limit::new(1, 1_000);
        for _ in 0..10 {
            assert_eq!(limit.take("k", 0), Ok(()));
            limit.refund(&"k");
        }
        limit.refund(&"k");
        assert_eq!(limit.take("k", 0), Ok(()));
        assert_eq!(limit.take("k", 0), Err(1));
    }

    #[test]
    fn a_clock_that_goes_back_neither_grants_nor_forbids() {
        let limit = Limit::new(1, 1_000);
        assert_eq!(limit.take("k", 10_000), Ok(()));
        assert_eq!(limit.take("k", 0), Err(1));
        assert_eq!(limit.take("k", 11_000), Ok(()));
    }

    #[test]
    fn a_clock_that_was_a_day_ahead_forbids_nothing_once_it_is_right() {
        let limit = Limit::new(1, 1_000);
        assert_eq!(limit.take("k", 86_400_000), Ok(()));
        assert_eq!(limit.take("k", 5_000), Err(1));
        assert_eq!(limit.take("k", 6_000), Ok(()));
        assert_eq!(limit.take("k", 6_000), Err(1));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_does_not_free_the_key_that_is_spent() {
        let limit = Limit::new(2, 60_000);
        let victim = u64::MAX;
        limit.take(victim, 0).unwrap();
        limit.take(victim, 0).unwrap();
        for key in 0..100_000 {
            limit.take(key, 0).unwrap();
        }
        assert!(limit.buckets.lock().unwrap().len() <= MOST_BUCKETS);
        assert_eq!(limit.take(victim, 0), Err(60));
    }
}
