//! The machine that the browser runs on: true time, and the two clocks that show it.

use fiftyten::clock::Reading;

use crate::rules::Broken;

/// What the wall clock shows at the start, in ms since 1970.
const START: i64 = 1_790_000_000_000;

/// True time, and how far the clocks are off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Machine {
    /// True ms since the start.
    pub now: u64,
    /// ms that the monotonic clock stood still.
    slept: u64,
    /// ms that the wall clock is fast.
    fast: i64,
}

impl Machine {
    /// It sleeps: nothing runs, and the monotonic clock stands still.
    pub fn sleep(&mut self, ms: u64) {
        self.now += ms;
        self.slept += ms;
    }

    /// Somebody sets the wall clock.
    pub fn jump(&mut self, ms: i64) {
        self.fast += ms;
    }

    /// For how long it slept, in ms.
    #[must_use]
    pub const fn slept(&self) -> u64 {
        self.slept
    }

    /// The monotonic clock.
    #[must_use]
    pub fn mono(&self) -> u64 {
        self.now - self.slept
    }

    /// The wall clock.
    #[must_use]
    pub fn wall(&self) -> u64 {
        (START + self.now as i64 + self.fast).max(0) as u64
    }

    /// What a page sees.
    #[must_use]
    pub fn read(&self, broken: Option<Broken>) -> Reading {
        match broken {
            Some(Broken::WallOnly) => Reading { mono: 0, wall: self.wall() },
            Some(Broken::MonoOnly) => Reading { mono: self.mono(), wall: 0 },
            _ => Reading { mono: self.mono(), wall: self.wall() },
        }
    }
}
