//! A tab: the real core, the clock that its shell gives it, and what the world knows about it.

use std::collections::VecDeque;

use fiftyten::action::WaiterId;
use fiftyten::clock::{Clock, Instant, Millis, Reading};
use fiftyten::config::Config;
use fiftyten::event::RequestId;
use fiftyten::session::Session;
use fiftyten::token::Serial;

use crate::choose::{Choose, Kind};
use crate::reference::{Account, Reference};
#[cfg(feature = "mutants")]
use crate::rules::Broken;
use crate::rules::{Rules, VISIBLE_TICK};
use crate::verb::{Said, Verb};

/// Whether a page runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It does.
    Running,
    /// Frozen by the browser: it hears messages, and nothing else.
    Frozen,
    /// Its process is stopped: nothing runs, and nobody has told it.
    Stopped,
    /// In the back/forward cache.
    Away,
    /// Gone.
    Dead,
}

/// A tab.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tab {
    /// The core.
    pub core: Session,
    /// Its clock.
    pub clock: Clock,
    /// Whether it runs.
    pub life: Life,
    /// Whether it is seen.
    pub visible: bool,
    /// The one timer: what it is armed for, when the clocks were last found to differ, and when it fires by
    /// the monotonic clock.
    pub timer: Option<(Instant, Instant, u64)>,
    /// What the world knows.
    pub truth: Truth,
    /// The model that runs beside it.
    pub reference: Reference,
}

/// A request that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Its number.
    pub id: WaiterId,
    /// The user it was made for; none while it was not known whether there is one.
    pub user: Option<u8>,
    /// By when it is to be settled, on the tab's clock.
    pub limit: Instant,
    /// Since when, in true ms.
    pub since: u64,
}

/// What the world knows of a tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    /// The refresh in flight.
    pub refreshing: Option<RequestId>,
    /// The sign-in or sign-out in flight.
    pub call: Option<RequestId>,
    /// Requests held back.
    pub held: Vec<Held>,
    /// Attempts of the last minute, on the tab's clock.
    pub attempts: VecDeque<Instant>,
    /// When a 401 last forced a refresh.
    pub forced_at: Option<Instant>,
    /// Before this the server wants to hear nothing.
    pub patience: Instant,
    /// The wish for the lock, and since when.
    pub asked_lock: Option<(RequestId, Instant)>,
    /// Somebody waits for the token that this lock is wanted for, or did.
    pub hurried: Option<RequestId>,
    /// Another tab got a token of its account, then, which was asked for then, in true ms: it was told.
    pub told_token: Option<(Account, u64, u64)>,
    /// The session of which another tab was told that it is over, and when, in true ms: it was told, too.
    pub told_end: Option<(usize, u64)>,
    /// When it was last not told of an end, in true ms.
    pub missed_end: Option<u64>,
    /// The wish that was refused: there is no lock.
    pub refused: Option<RequestId>,
    /// The number of the token that the last request left with.
    pub carried: Option<Serial>,
    /// It was told that it is ready.
    pub ready: bool,
    /// It was closed.
    pub closed: bool,
    /// Since when, in true ms, the server answers it and nothing else excuses a delay.
    pub clear_since: Option<u64>,
    /// When it last did not run, in true ms.
    pub stood_still: u64,
    /// It has not looked at its clocks since the machine slept or they were set.
    pub disturbed: bool,
}

impl Truth {
    /// Nothing that it was told of lately can be expected of it.
    pub fn hears_nothing(&mut self) {
        (self.told_token, self.told_end) = (None, None);
    }
}

impl Tab {
    /// A page that is being loaded.
    #[must_use]
    pub fn new(config: Config, reading: Reading, now: u64) -> Self {
        let mut clock = Clock::new(reading);
        let started = clock.now(reading);
        Self {
            core: Session::new(config, started),
            clock,
            life: Life::Running,
            visible: true,
            timer: None,
            truth: Truth { clear_since: Some(now), ..Truth::default() },
            reference: Reference::default(),
        }
    }

    /// Says a verb; the jitter is chosen, where the rules want it so.
    pub fn say(&mut self, verb: &Verb, now: Instant, jitter: bool, choose: &mut dyn Choose) -> (Said, u64) {
        if !jitter {
            return (verb.say(&mut self.core, now), 0);
        }
        self.dictate(0);
        let saved = self.core.clone();
        let said = verb.say(&mut self.core, now);
        if !self.dictate(0) || choose.choose(Kind::Jitter, 2) == 0 {
            return (said, 0);
        }
        self.core = saved;
        self.dictate(100);
        let said = verb.say(&mut self.core, now);
        self.dictate(0);
        (said, 100)
    }

    #[cfg(feature = "model")]
    fn dictate(&mut self, share: u64) -> bool {
        self.core.dictate(Some(share))
    }

    #[cfg(not(feature = "model"))]
    fn dictate(&mut self, _: u64) -> bool {
        false
    }

    /// The same core, told nothing but the time: what a late answer must not be told from.
    #[must_use]
    pub fn told_only_the_time(mut core: Session, now: Instant, share: u64, jitter: bool) -> Session {
        #[cfg(feature = "model")]
        if jitter {
            core.dictate(Some(share));
        }
        core.handle_timeout(now);
        #[cfg(feature = "model")]
        if jitter {
            core.dictate(Some(0));
        }
        #[cfg(not(feature = "model"))]
        let _ = (share, jitter);
        core
    }

    /// Arms the timer as `src/web/timer.rs` does: anew when the deadline has moved, or a clock.
    pub fn arm(&mut self, now: Instant, mono: u64, late: impl FnOnce() -> bool) {
        let wanted = self.core.poll_timeout().map(|(at, _)| (at, self.clock.anchored_at()));
        if self.timer.map(|(at, anchored, _)| (at, anchored)) == wanted {
            return;
        }
        self.timer = wanted.map(|(at, anchored)| {
            let delay = at.since(now).0;
            let fires = match (self.visible, self.life) {
                (true, _) => mono + delay.min(VISIBLE_TICK),
                // Hidden: on the second, or on the minute.
                (false, _) if late() => (mono + delay).next_multiple_of(60_000),
                (false, _) => (mono + delay).next_multiple_of(1_000),
            };
            (at, anchored, fires)
        });
    }

    /// Whether it hears messages: a frozen page does.
    #[must_use]
    pub const fn hears(&self) -> bool {
        matches!(self.life, Life::Running | Life::Frozen) && !self.truth.closed
    }

    /// The moment on its clock, without looking at it.
    #[must_use]
    pub fn peek(&self, reading: Reading) -> Instant {
        self.clock.clone().now(reading)
    }

    /// Attempts within the last minute on its clock.
    pub fn attempted(&mut self, now: Instant) {
        self.truth.attempts.push_back(now);
        while self.truth.attempts.front().is_some_and(|at| *at + Millis(60_000) <= now) {
            self.truth.attempts.pop_front();
        }
    }
}

/// The configuration of a tab.
#[must_use]
pub fn config(seed: u64, rules: &Rules) -> Config {
    let config =
        Config { seed, tabs: rules.channel, poll_while_hidden: rules.poll_while_hidden, ..Config::default() };
    #[cfg(feature = "mutants")]
    if let Some(Broken::Core(mutation)) = rules.broken {
        return Config { mutation: Some(mutation), ..config };
    }
    config
}
