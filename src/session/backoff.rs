//! How long to wait after an attempt that failed.

use crate::clock::{Instant, Millis};
use crate::session::rng::Rng;

/// Waits after failures, of two kinds: for a request that is held back, and for the background.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Backoff {
    failures: u32,
    /// When the first of them was sent.
    failing_since: Instant,
    /// Quick waits that are left: a network comes back a moment after the screen does.
    quick: u8,
    blocked_until: Instant,
    background_until: Instant,
    /// The server's `Retry-After`: holds for both kinds.
    server_until: Instant,
}

impl Backoff {
    /// The quick waits after a wake, in ms, before jitter.
    const QUICK: [u64; 3] = [100, 200, 400];
    /// The waits in the background once the slack has passed, shortest and longest, in hundredths of it: 25 to
    /// 50 s with 10 s. By then the token is dead, and nothing is saved by haste. After an outage all clients are
    /// back within the longest. The shortest bounds the load: what a server is asked in that time is no more
    /// than each client's share of the mean wait, one in 37 s, where the steady rate is one in 50 s.
    const SPREAD: (u64, u64) = (250, 500);
    /// The longest `Retry-After` that is believed: 5 min. More is most likely a mistake, and
    /// would keep a page from recovering.
    const SERVER_LIMIT: Millis = Millis(300_000);

    pub(super) const fn new() -> Self {
        Self {
            failures: 0,
            failing_since: Instant(0),
            quick: 0,
            blocked_until: Instant(0),
            background_until: Instant(0),
            server_until: Instant(0),
        }
    }

    /// Failures since the last success.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether an attempt may be made after the wait, and when.
    pub(super) fn until(&self, blocked: bool) -> Instant {
        let own = if blocked { self.blocked_until } else { self.background_until };
        own.max(self.server_until)
    }

    /// The moment before which the server wants to hear nothing.
    pub(super) const fn server_until(&self) -> Instant {
        self.server_until
    }

    /// The page woke or somebody waits: try at once, and the next failures only cost a moment.
    /// What the server asked for stands.
    pub(super) fn hurry(&mut self) {
        self.quick = 3;
        self.blocked_until = Instant(0);
        self.background_until = Instant(0);
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// There is nothing left to fail. What the server asked for stands.
    pub(super) fn ended(&mut self) {
        *self = Self { server_until: self.server_until, ..Self::new() };
    }

    /// The attempt that was sent at `sent_at` has failed `now`.
    ///
    /// `network`: there was no answer at all, as right after a wake; the quick waits are for that.
    pub(super) fn failed(
        &mut self,
        sent_at: Instant,
        now: Instant,
        slack: Millis,
        network: bool,
        retry_after: Option<Millis>,
        rng: &mut Rng,
    ) {
        if self.failures == 0 {
            self.failing_since = sent_at;
        }
        self.failures = self.failures.saturating_add(1);
        if let Some(wait) = retry_after {
            // A proxy tells everybody the same number: a tenth more spreads them.
            let wait = wait.min(Self::SERVER_LIMIT);
            self.server_until = now + wait + rng.up_to(wait.percent(10));
        }
        if network && self.quick > 0 {
            let wait = Millis(Self::QUICK[usize::from(3 - self.quick)]);
            self.quick -= 1;
            let jittered = Millis(wait.0 / 2) + rng.up_to(Millis(wait.0 / 2));
            self.blocked_until = now + jittered;
            self.background_until = now + jittered;
            return;
        }
        // Exponential with full jitter, from a twentieth of the slack.
        let doublings = (self.failures - 1).min(20);
        let ceiling = Millis(slack.percent(5).0.max(1) << doublings);
        let (shortest, longest) = Self::SPREAD;
        self.background_until = now
            + if ceiling <= slack && now.since(self.failing_since) < slack {
                rng.up_to(ceiling)
            } else {
                slack.percent(shortest) + rng.up_to(slack.percent(longest - shortest))
            };
        self.blocked_until = now + rng.up_to(ceiling.min(slack.percent(20)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: Millis = Millis(10_000);
    const NOW: Instant = Instant(1 << 40);

    #[test]
    fn the_first_network_failures_after_a_wake_cost_less_than_a_second_together() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let mut backoff = Backoff::new();
            backoff.hurry();
            let mut total = 0;
            for longest in [100, 200, 400] {
                backoff.failed(NOW, NOW, SLACK, true, None, &mut rng);
                let wait = backoff.until(false).since(NOW).0;
                assert!((longest / 2..=longest).contains(&wait), "{wait} of {longest}");
                assert_eq!(backoff.until(true), backoff.until(false));
                total += wait;
            }
            assert!(total <= 700);
            backoff.failed(NOW, NOW, SLACK, true, None, &mut rng);
            assert!(backoff.until(false).since(NOW) <= Millis(4_000));
        }
    }

    #[test]
    fn a_server_that_answers_with_an_error_is_not_hurried() {
        let longest = (0..200)
            .map(|seed| {
                let mut backoff = Backoff::new();
                backoff.hurry();
                backoff.failed(NOW, NOW, SLACK, false, None, &mut Rng::new(seed));
                backoff.until(true).since(NOW).0
            })
            .max();
        assert!((450..=500).contains(&longest.unwrap()), "{longest:?}");
    }

    #[test]
    fn waits_double_up_to_the_slack_and_are_then_spread_out_unless_a_request_is_held() {
        let mut rng = Rng::new(1);
        let mut backoff = Backoff::new();
        let mut spread = Vec::new();
        let mut longest = 0;
        for failures in 1..=2_000 {
            backoff.failed(NOW, NOW, SLACK, true, None, &mut rng);
            let wait = backoff.until(false).since(NOW).0;
            match failures {
                1..=5 => assert!(wait <= 250 << failures, "{wait} after {failures}"),
                _ => spread.push(wait),
            }
            longest = longest.max(backoff.until(true).since(NOW).0);
        }
        spread.sort_unstable();
        assert!((25_000..=25_100).contains(&spread[0]), "{}", spread[0]);
        assert!((49_900..=50_000).contains(&spread[spread.len() - 1]), "{}", spread[spread.len() - 1]);
        assert!((36_000..=39_000).contains(&spread[spread.len() / 2]), "{}", spread[spread.len() / 2]);
        assert!((1_900..=2_000).contains(&longest), "{longest}");
    }

    #[test]
    fn waits_are_spread_out_as_soon_as_the_slack_has_passed_however_few_failures_there_were() {
        for (passed, shortest, longest) in [(9_999, 0, 1_000), (10_000, 25_000, 50_000)] {
            let mut backoff = Backoff::new();
            backoff.failed(NOW, NOW, SLACK, false, None, &mut Rng::new(1));
            let now = NOW + Millis(passed);
            backoff.failed(now, now, SLACK, false, None, &mut Rng::new(1));
            let wait = backoff.until(false).since(now).0;
            assert!((shortest..=longest).contains(&wait), "{wait} after {passed}");
        }
    }

    #[test]
    fn the_servers_retry_after_holds_for_everybody_and_through_a_wake() {
        let mut backoff = Backoff::new();
        backoff.failed(NOW, NOW, SLACK, false, Some(Millis(30_000)), &mut Rng::new(1));
        backoff.hurry();
        let wait = backoff.until(true).since(NOW);
        assert!((Millis(30_000)..=Millis(33_000)).contains(&wait), "{wait:?}");
        assert_eq!(backoff.until(false), backoff.until(true));
    }

    #[test]
    fn an_absurd_retry_after_is_cut() {
        let mut backoff = Backoff::new();
        backoff.failed(NOW, NOW, SLACK, false, Some(Millis(u64::MAX)), &mut Rng::new(1));
        assert!(backoff.until(true).since(NOW) <= Millis(330_000));
    }
}
