//! Time that notices sleep and survives a wrong wall clock.
//!
//! Browsers offer two clocks and neither is enough. `performance.now()` stands still while a
//! machine sleeps (Linux, macOS in Chromium and WebKit; w3c/hr-time#115); `Date.now()` counts the
//! sleep, but its user may set it anywhere. [`Clock`] takes the larger of what the two say has
//! passed, so sleep is always counted, and a jump of the wall clock costs one early refresh.
//! No time of the server's is ever compared with either.

use std::ops::{Add, Sub};

/// A length of time in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// `percent` hundredths of this length, rounded down.
    #[must_use]
    pub const fn percent(self, percent: u64) -> Self {
        // Divided first where the product would overflow: such lengths need no precision.
        match self.0.checked_mul(percent) {
            Some(product) => Self(product / 100),
            None => Self(self.0 / 100 * percent),
        }
    }
}

impl Millis {
    /// The longest timer that can be set: above 2^31 - 1 ms (24.8 days) browsers fire at once (HTML
    /// standard, timer initialization: the timeout is a `long`).
    pub const LONGEST_TIMER: Self = Self(i32::MAX as u64);

    /// The delay to ask a timer for. One that fires early is set again.
    #[must_use]
    pub const fn as_timer(self) -> u32 {
        if self.0 < Self::LONGEST_TIMER.0 { self.0 as u32 } else { Self::LONGEST_TIMER.0 as u32 }
    }
}

impl Add for Millis {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// A moment on the session's own clock, in milliseconds; it counts from nothing in particular and
/// never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Millis> for Instant {
    type Output = Self;

    fn add(self, length: Millis) -> Self {
        Self(self.0.saturating_add(length.0))
    }
}

impl Sub<Millis> for Instant {
    type Output = Self;

    fn sub(self, length: Millis) -> Self {
        Self(self.0.saturating_sub(length.0))
    }
}

/// What the two clocks of a browser say at one moment, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reading {
    /// `performance.now()`: monotonic, perhaps stopped by sleep.
    pub mono: u64,
    /// `Date.now()`: counts sleep, may be set to anything.
    pub wall: u64,
}

/// The suspend-aware clock: it turns [`Reading`]s into [`Instant`]s.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    anchor: Reading,
    anchored_at: Instant,
    set_back_at: Instant,
    last: Instant,
}

impl Clock {
    /// The clocks may differ by this much before the anchor moves. Moving it at every reading
    /// would add up their rounding and make time run fast.
    pub const TOLERANCE: Millis = Millis(2_000);

    /// A clock that starts at `reading`.
    #[must_use]
    pub const fn new(reading: Reading) -> Self {
        // Not zero, so that an instant a while before the start can be told from the start.
        let start = Instant(1 << 40);
        Self { anchor: reading, anchored_at: start, set_back_at: Instant(0), last: start }
    }

    /// When the two clocks were last found to differ, or the start: a timer that was set before then, by the
    /// monotonic clock, may be late by all that the machine slept.
    #[must_use]
    pub const fn anchored_at(&self) -> Instant {
        self.anchored_at
    }

    /// When the wall clock was last found to be set back; a moment before the start if it was not. What it
    /// says has passed since an earlier moment is too little.
    #[must_use]
    pub const fn set_back_at(&self) -> Instant {
        self.set_back_at
    }

    /// The moment that `reading` stands for: never before one returned earlier.
    pub fn now(&mut self, reading: Reading) -> Instant {
        let mono = reading.mono.saturating_sub(self.anchor.mono);
        let wall = reading.wall.saturating_sub(self.anchor.wall);
        let now = self.last.max(self.anchored_at + Millis(mono.max(wall)));
        // `wall` is zero for a clock set back, which is then told apart by its raw difference.
        let behind = self.anchor.wall.saturating_sub(reading.wall);
        if mono.abs_diff(wall).saturating_add(behind) > Self::TOLERANCE.0 {
            if mono > wall {
                self.set_back_at = now;
            }
            self.anchor = reading;
            self.anchored_at = now;
        }
        self.last = now;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn at(mono: u64, wall: u64) -> Reading {
        Reading { mono, wall }
    }

    fn started(wall: u64) -> (Clock, Instant) {
        let mut clock = Clock::new(at(0, wall));
        let start = clock.now(at(0, wall));
        (clock, start)
    }

    #[test]
    fn time_passes_as_both_clocks_say() {
        let (mut clock, start) = started(5 * HOUR);
        assert_eq!(clock.now(at(50_000, 5 * HOUR + 50_000)).since(start), Millis(50_000));
    }

    #[test]
    fn sleep_is_counted_though_the_monotonic_clock_stood_still() {
        let (mut clock, start) = started(HOUR);
        assert_eq!(clock.now(at(1_000, 3 * HOUR)).since(start), Millis(2 * HOUR));
    }

    #[test]
    fn it_tells_when_a_timer_can_no_longer_be_relied_upon() {
        let (mut clock, start) = started(HOUR);
        assert_eq!(clock.anchored_at(), start);
        clock.now(at(9_000, HOUR + 9_000 + 2_000));
        assert_eq!(clock.anchored_at(), start);
        let woke = clock.now(at(9_000, 2 * HOUR));
        clock.now(at(9_500, 2 * HOUR + 500));
        assert_eq!(clock.anchored_at(), woke);
    }

    #[test]
    fn it_tells_when_the_wall_clock_was_set_back_and_no_sleep_or_jump_forward_passes_for_that() {
        let (mut clock, start) = started(48 * HOUR);
        clock.now(at(1_000, 50 * HOUR));
        clock.now(at(2_000, 49 * HOUR + 59 * 60_000 + 59_500));
        assert!(clock.set_back_at() < start);
        // By less than has passed since it was looked at last: it stands later than then.
        let later = clock.now(at(62_000, 50 * HOUR + 30_000));
        assert_eq!(clock.set_back_at(), later);
        clock.now(at(62_001, 60 * HOUR));
        assert_eq!(clock.set_back_at(), later);
        let day = clock.now(at(63_000, 36 * HOUR));
        assert_eq!(clock.set_back_at(), day);
    }

    #[test]
    fn a_second_sleep_is_counted_too() {
        let (mut clock, start) = started(HOUR);
        clock.now(at(1_000, 2 * HOUR));
        assert_eq!(clock.now(at(2_000, 3 * HOUR)).since(start), Millis(2 * HOUR));
    }

    #[test]
    fn a_wall_clock_set_back_a_day_changes_nothing() {
        let (mut clock, start) = started(48 * HOUR);
        assert_eq!(clock.now(at(1_000, 24 * HOUR)).since(start), Millis(1_000));
        assert_eq!(clock.now(at(2_000, 24 * HOUR + 1_000)).since(start), Millis(2_000));
    }

    #[test]
    fn sleep_after_the_wall_clock_was_set_back_is_counted() {
        let (mut clock, start) = started(48 * HOUR);
        clock.now(at(1_000, 24 * HOUR));
        assert_eq!(clock.now(at(1_500, 25 * HOUR)).since(start), Millis(1_000 + HOUR));
    }

    #[test]
    fn a_wall_clock_set_forward_counts_once_and_only_once() {
        let (mut clock, start) = started(0);
        assert_eq!(clock.now(at(1_000, 24 * HOUR)).since(start), Millis(24 * HOUR));
        assert_eq!(clock.now(at(2_000, 24 * HOUR + 1_000)).since(start), Millis(24 * HOUR + 1_000));
    }

    #[test]
    fn a_slow_drift_of_the_wall_clock_does_not_add_up_beyond_the_faster_clock() {
        let (mut clock, start) = started(0);
        // One reading a second for a day; the wall clock is fast by 1 in 10,000.
        let mut now = start;
        for second in 1..=86_400_u64 {
            now = clock.now(at(second * 1_000, second * 1_000 + second / 10));
        }
        let passed = now.since(start).0;
        assert!((86_400_000..=86_400_000 + 8_640 + 1).contains(&passed), "{passed}");
    }

    #[test]
    fn rounding_does_not_make_time_run_fast() {
        let (mut clock, start) = started(0);
        let mut now = start;
        // Chromium without isolation rounds to 0.1 ms and Firefox to 1 ms or more: the two clocks
        // disagree by up to one unit at every reading.
        for tick in 1..=100_000_u64 {
            now = clock.now(at(tick * 10, tick * 10 + tick % 2));
        }
        assert!(now.since(start).0 <= 1_000_001);
    }

    #[test]
    fn it_never_goes_back() {
        let (mut clock, _) = started(48 * HOUR);
        let mut last = Instant(0);
        for reading in [at(10, 48 * HOUR), at(5, 0), at(0, 0), at(20, 1), at(21, u64::MAX), at(22, 0)] {
            let now = clock.now(reading);
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn no_timer_is_so_long_that_a_browser_would_fire_it_at_once() {
        assert_eq!(Millis(0).as_timer(), 0);
        assert_eq!(Millis(50_000).as_timer(), 50_000);
        for long in [1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 5, u64::MAX] {
            assert_eq!(Millis(long).as_timer(), 2_147_483_647);
        }
    }

    #[test]
    fn a_share_of_a_length_does_not_overflow() {
        assert_eq!(Millis(10_000).percent(20), Millis(2_000));
        assert_eq!(Millis(u64::MAX).percent(40), Millis(u64::MAX / 100 * 40));
    }
}
