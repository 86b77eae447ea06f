//! The constants of a world: what its environment may do, and how often.

use crate::act::Act;
use crate::server::Fate;

/// The life of a token, in ms.
pub const LIFE: u64 = 60_000;
/// The age at which it is to be renewed, in ms.
pub const RENEW: u64 = 50_000;
/// The time between the two, in ms.
pub const SLACK: u64 = LIFE - RENEW;
/// What a message takes, in ms.
pub const POST: u64 = 5;
/// What a message takes that is late, in ms: longer than a lock is waited for.
pub const LATE_POST: u64 = 4_700;
/// A visible page looks at the clock this often, as in `src/web/time.rs`.
pub const VISIBLE_TICK: u64 = 15_000;

/// As often as it likes.
pub const UNLIMITED: u32 = u32::MAX;

/// Something that is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broken {
    /// The core.
    #[cfg(feature = "mutants")]
    Core(fiftyten::Mutation),
    /// The shell reads only the wall clock.
    WallOnly,
    /// The shell reads only the monotonic clock.
    MonoOnly,
    /// The shell believes how old a token is that it hears of though the wall clock was set back meanwhile.
    ForgetsSetBack,
    /// The server reads the session's row first and dates the token later.
    DatesLate,
}

/// The constants.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A word for it.
    pub name: &'static str,
    /// How many tabs there are.
    pub tabs: usize,
    /// When it begins to be explored, in true ms: its pages are signed in.
    pub start: u64,
    /// When it ends, in ms that the machine was awake.
    pub horizon: u64,
    /// Moments at which the environment gets a turn though nothing is due.
    pub marks: Vec<u64>,
    /// What the environment may do.
    pub acts: Vec<Act>,
    /// How many of them, in all; [`UNLIMITED`] is one of the numbers.
    pub turns: u32,
    /// What may become of a call besides a quick answer.
    pub fates: Vec<Fate>,
    /// What becomes of every call, from the start on.
    pub always: Option<Fate>,
    /// Whether the browser has locks.
    pub locks: bool,
    /// Whether it has channels.
    pub channel: bool,
    /// Whether its pages poll while they are hidden.
    pub poll_while_hidden: bool,
    /// Whether messages may be lost or late.
    pub letters: bool,
    /// Whether the timers of hidden pages may be a minute late, as in a browser that throttles them however they
    /// were set. Chromium spares those of this package, see `src/web/timer.rs`.
    pub throttle: bool,
    /// Whether an answer may come though its call was aborted.
    pub late: bool,
    /// How often any of these, in all.
    pub faults: u32,
    /// What a quick answer may take, in ms.
    pub latencies: Vec<u64>,
    /// Whether the chooser says how long the jitter is. Otherwise the core draws it.
    pub jitter: bool,
    /// Whether the reference model is compared.
    pub reference: bool,
    /// What is wrong on purpose.
    pub broken: Option<Broken>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            name: "ordinary",
            tabs: 1,
            start: 200,
            horizon: u64::MAX,
            marks: Vec::new(),
            acts: Vec::new(),
            turns: 0,
            fates: Vec::new(),
            always: None,
            locks: true,
            channel: true,
            poll_while_hidden: false,
            letters: false,
            throttle: false,
            late: false,
            faults: 0,
            latencies: vec![100],
            jitter: false,
            reference: true,
            broken: None,
        }
    }
}
