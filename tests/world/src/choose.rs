//! The one source of everything that is not determined.

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 0: what is due next happens. Else: one of the things that the environment may do now.
    Course,
    /// Which of those that are due at the same moment comes first.
    Order,
    /// What becomes of a call. 0: it is answered, and quickly.
    Fate,
    /// How long a quick answer takes.
    Latency,
    /// What becomes of a message. 0: it arrives at once.
    Letter,
    /// What becomes of a call that was aborted. 0: it is rejected. 1: its answer comes all the same.
    Late,
    /// 0: the least jitter. 1: the most.
    Jitter,
    /// When a hidden page's timer fires. 0: within a second. 1: up to a minute late.
    Throttle,
}

/// Somebody who chooses. Zero is always the ordinary course of things.
pub trait Choose {
    /// A number below `width`.
    fn choose(&mut self, kind: Kind, width: usize) -> usize;
}

/// Chooses the ordinary course.
#[derive(Clone, Copy, Debug)]
pub struct Ordinary;

impl Choose for Ordinary {
    fn choose(&mut self, _: Kind, _: usize) -> usize {
        0
    }
}

/// Reads its choices from a list: the first, the second, and so on; zero when the list is over. A
/// shorter list with smaller numbers makes a simpler history, so a failing one can be shrunk.
#[derive(Clone, Debug)]
pub struct Listed<'a> {
    numbers: &'a [u16],
    at: usize,
}

impl<'a> Listed<'a> {
    /// Of these numbers.
    #[must_use]
    pub const fn new(numbers: &'a [u16]) -> Self {
        Self { numbers, at: 0 }
    }

    fn next(&mut self) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        number.into()
    }
}

impl Choose for Listed<'_> {
    fn choose(&mut self, kind: Kind, width: usize) -> usize {
        // Most of the time nothing out of the ordinary happens, or the session would never get
        // anywhere.
        let number = self.next();
        let ordinary = match kind {
            Kind::Course => 3,
            Kind::Fate | Kind::Letter | Kind::Throttle => 4,
            Kind::Order | Kind::Latency | Kind::Jitter | Kind::Late => 0,
        };
        match number % (width + ordinary * width.min(4)) {
            chosen if chosen < width => chosen,
            _ => 0,
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence for each seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit.max(1)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// An exponentially distributed length with this mean: what is between independent events.
    pub fn around(&mut self, mean: u64) -> u64 {
        let share = (self.bits() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - share).ln() * mean as f64) as u64 + 1
    }
}
