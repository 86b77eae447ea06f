//! What is checked after every verb, and after every step.

use fiftyten::clock::Millis;
use fiftyten::event::Event;
use fiftyten::message::Message;
use fiftyten::session::Status;
use fiftyten::token::Serial;

use crate::perform::Turn;
use crate::property::{Property, Result, Violation};
use crate::rules::SLACK;
use crate::server::{Call, Outcome, row_of};
use crate::tab::Life;
use crate::verb::Verb;
use crate::world::World;

/// What another tab tells is heard within this, in ms.
const HEARD_WITHIN: u64 = 1_000;

/// Who waits is served within this and two round trips, as long as the server answers: half a second
/// for the lock, a quarter of pause. The first round trip was under way, and may bring bad news.
const SERVED_WITHIN: u64 = 800;
/// A visible tab has a live token again within this: the background's wait for the lock (3 s), its
/// pause (1 s), and one round trip.
const LIVE_WITHIN: u64 = 6_000;

pub(crate) fn violated<T>(world: &World, property: Property, tab: usize, what: &str) -> Result<T> {
    Err(Box::new(Violation { property, tab, at: world.machine.now, what: what.to_owned() }))
}

impl World {
    /// After a verb and its drain.
    pub(crate) fn judge(&mut self, turn: &Turn, had: Option<Serial>) -> Result {
        let (at, now) = (turn.tab, turn.now);
        if matches!(turn.verb, Verb::Event(Event::Close)) {
            self.tabs[at].truth.closed = true;
        }
        let tab = &self.tabs[at];
        if tab.truth.closed && (tab.core.status() != Status::Closed || tab.core.poll_timeout().is_some()) {
            return violated(self, Property::NothingAfterClose, at, "it goes on");
        }
        if !turn.verb.only_asks() {
            if let Some((deadline, kind)) = tab.core.poll_timeout().filter(|(at, _)| *at <= now) {
                let what = format!("{kind:?} was due {} ms ago", now.since(deadline).0);
                return violated(self, Property::NoDeadlineInThePast, at, &what);
            }
            if let Some(held) = tab.truth.held.iter().find(|held| held.limit <= now) {
                return violated(self, Property::SettledInTime, at, &format!("{:?} hangs", held.id));
            }
        }
        let has = tab.core.token(now).map(|token| token.serial());
        if had.is_some()
            && (has.is_none() || has < had)
            && !may_drop(&turn.verb)
            && tab.reference.until().is_some()
        {
            return violated(self, Property::LiveTokenIsKept, at, "it is gone");
        }
        if self.rules.reference
            && let Some(what) = tab.reference.differs(&tab.core, now)
        {
            return violated(self, Property::AsTheReferenceSays, at, &what);
        }
        self.judge_lock(at)
    }

    /// A page that does not run keeps nothing that others wait for.
    pub(crate) fn judge_lock(&self, at: usize) -> Result {
        let still = matches!(self.tabs[at].life, Life::Frozen | Life::Away);
        if still && (self.lock.involves(at) || self.second.involves(at)) {
            return violated(self, Property::NoLockIsKept, at, "it stands still with it");
        }
        Ok(())
    }

    /// A token that is about to be received: it may not outlive its session by more than its life.
    pub(crate) fn judge_token(&self, call: &Call) -> Result {
        if let Outcome::Token { row, dated, .. } = call.outcome
            && self.server.rows[row].ended.is_some_and(|(ended, _)| dated > ended)
        {
            let what = format!("dated {dated}, and its session was over");
            return violated(self, Property::RevokedWithinSixtySeconds, call.tab, &what);
        }
        Ok(())
    }

    /// After a step: nobody waits because of what became of another tab.
    pub(crate) fn judge_delays(&self) -> Result {
        let now = self.machine.now;
        let served_within = SERVED_WITHIN + 2 * self.rules.latencies.iter().max().unwrap_or(&0);
        for (at, tab) in self.tabs.iter().enumerate() {
            if let Some((row, told)) = tab.truth.told_end.filter(|_| tab.life == Life::Running)
                && now > told + HEARD_WITHIN
                && tab.core.account().is_some_and(|account| row_of(&account.id) == Some(row))
            {
                return violated(self, Property::EndsReachTheOthers, at, &format!("{row} is over"));
            }
            let Some(clear) = tab.truth.clear_since.filter(|_| tab.life == Life::Running) else { continue };
            // The budget of attempts is a bound too, and comes first.
            if tab.truth.closed || tab.truth.attempts.len() >= 10 {
                continue;
            }
            let waits = tab.truth.held.iter().map(|held| now.saturating_sub(held.since.max(clear))).max();
            // The timers of a hidden page, one for the lock and one for the pause, fire on the second.
            let hidden = if tab.visible { 0 } else { 2_000 };
            if waits.is_some_and(|waits| waits > served_within + hidden) {
                return violated(self, Property::OthersDelayNobody, at, "a request waits");
            }
            if !tab.visible || clear + LIVE_WITHIN > now {
                continue;
            }
            let on_clock = tab.peek(self.machine.read(self.rules.broken));
            if tab.reference.renewal().is_some_and(|at| on_clock >= at + Millis(SLACK)) {
                return violated(self, Property::OthersDelayNobody, at, "it has no live token");
            }
        }
        Ok(())
    }
}

/// Whether a token with time left may go with this verb: only failed attempts must not take it.
fn may_drop(verb: &Verb) -> bool {
    match verb {
        Verb::SignOut => true,
        Verb::Event(event) => matches!(
            event,
            Event::Close
                | Event::Heard(Message::Ended { .. })
                | Event::Restored
                | Event::Woken
                | Event::Shown
        ),
        _ => false,
    }
}
