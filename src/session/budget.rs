//! A limit on attempts that holds whatever the server answers and however often the page wakes.

use crate::clock::{Instant, Millis};

/// A token bucket in its one-number form (GCRA): `spent_until` is when the bucket will be full
/// again. It allows [`Budget::BURST`] attempts at once and one more per interval: with the default
/// slack of 10 s, at most 22 in any minute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    spent_until: Instant,
}

impl Budget {
    pub(super) const BURST: u64 = 10;
    const MIN_INTERVAL: Millis = Millis(1_000);

    pub(super) const fn new() -> Self {
        Self { spent_until: Instant(0) }
    }

    /// Half the slack, but never less than a second.
    pub(super) fn interval(slack: Millis) -> Millis {
        slack.percent(50).max(Self::MIN_INTERVAL)
    }

    /// The earliest moment at which the next attempt is within the budget.
    pub(super) fn available_at(&self, slack: Millis) -> Instant {
        self.spent_until - Millis(Self::interval(slack).0 * (Self::BURST - 1))
    }

    /// The interval has changed: what was taken counts at the new one, and is never more than a
    /// burst.
    pub(super) fn fit(&mut self, now: Instant, slack: Millis) {
        self.spent_until = self.spent_until.min(now + Millis(Self::interval(slack).0 * Self::BURST));
    }

    pub(super) fn take(&mut self, now: Instant, slack: Millis) {
        self.spent_until = self.spent_until.max(now) + Self::interval(slack);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_allows_a_burst_and_then_one_per_interval() {
        let slack = Millis(10_000);
        let mut budget = Budget::new();
        let mut now = Instant(1 << 40);
        let mut taken = Vec::new();
        for _ in 0..60_000 {
            if budget.available_at(slack) <= now {
                budget.take(now, slack);
                taken.push(now);
            }
            now = now + Millis(1);
        }
        assert_eq!(taken.len(), 10 + 11);
        assert!(taken[..10].windows(2).all(|pair| pair[1].since(pair[0]) == Millis(1)));
        assert!(taken[10..].windows(2).all(|pair| pair[1].since(pair[0]) == Millis(5_000)));
    }

    #[test]
    fn it_fills_up_again() {
        let slack = Millis(10_000);
        let mut budget = Budget::new();
        let start = Instant(1 << 40);
        (0..10).for_each(|_| budget.take(start, slack));
        assert!(budget.available_at(slack) > start);
        let later = start + Millis(50_000);
        (0..9).for_each(|_| budget.take(later, slack));
        assert!(budget.available_at(slack) <= later);
    }
}
