//! Drives a core, does what it wants done, and checks what can be seen from that.

use fiftyten::action::{Action, Notice, Settled};
use fiftyten::clock::{Instant, Millis};
use fiftyten::event::{EndReason, Event, RequestId};
use fiftyten::message::Message;
use fiftyten::protocol::Reason;
use fiftyten::session::Rejection;
use fiftyten::token::Token;

use crate::choose::{Choose, Kind};
use crate::judge::violated;
use crate::lock::Claim;
use crate::mail::Letter;
use crate::property::{Property, Result};
use crate::rules::{Broken, LATE_POST, LIFE, POST, RENEW, SLACK};
use crate::server::{Call, Facts, Fate, Outcome, Purpose, row_of};
use crate::tab::{Held, Life, Tab};
use crate::verb::{Said, Verb};
use crate::world::World;

/// What a verb is said for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Anything else.
    Other,
    /// An answer that nobody waits for.
    Late,
    /// The word that a session is over: the server's, or another tab's that has it from there.
    End,
}

/// One verb, and what followed so far.
pub(crate) struct Turn {
    pub(crate) tab: usize,
    pub(crate) now: Instant,
    pub(crate) verb: Verb,
    /// The session may end by it.
    may_end: bool,
    ended: bool,
}

impl World {
    pub(crate) fn drive_as(
        &mut self,
        at: usize,
        verb: Verb,
        cause: Cause,
        choose: &mut dyn Choose,
    ) -> Result<Said> {
        let mono = self.machine.mono();
        let jitter = self.rules.jitter;
        let true_now = self.machine.now;
        let (now, _) = self.look(at);
        self.foresee(at, &verb, now);
        let tab = &mut self.tabs[at];
        let before = (cause == Cause::Late || tab.truth.closed).then(|| tab.core.clone());
        let had = tab.core.token(now).map(|token| token.serial());
        let (said, share) = tab.say(&verb, now, jitter, choose);
        let user = tab.reference.account().map(|(_, user)| user);
        let limit = now + Millis(10_000);
        if matches!(said, Said::Held(_) | Said::Rejection(Rejection::Wait(_))) {
            tab.truth.hurried = tab.truth.asked_lock.map(|(id, _)| id);
        }
        match &said {
            Said::Held(id) => tab.truth.held.push(Held { id: *id, user, limit, since: true_now }),
            Said::Rejection(Rejection::Wait(id)) => {
                tab.truth.held.push(Held { id: *id, user, limit, since: true_now });
            }
            _ => {}
        }
        if let Some(mut before) = before {
            if !tab.truth.closed {
                before = Tab::told_only_the_time(before, now, share, jitter);
            }
            let settles_at_once = matches!(said, Said::Held(_));
            if before != tab.core && !settles_at_once {
                let property = if tab.truth.closed {
                    Property::NothingAfterClose
                } else {
                    Property::LateAnswerChangesNothing
                };
                return violated(self, property, at, "it did");
            }
        }
        let mut turn = Turn { tab: at, now, verb, may_end: cause == Cause::End, ended: false };
        while let Some(action) = self.tabs[at].core.poll_action() {
            self.perform(&mut turn, action, choose)?;
        }
        if matches!(turn.verb, Verb::SignOut) && self.tabs[at].reference.may_leave() {
            // Only now: a call that had run out is over first.
            self.tabs[at].reference.leave();
        }
        let throttle = self.rules.throttle && self.faults > 0 && !self.tabs[at].visible;
        let mut throttled = false;
        let tab = &mut self.tabs[at];
        tab.arm(now, mono, || {
            throttled = throttle && choose.choose(Kind::Throttle, 2) == 1;
            throttled
        });
        if throttled {
            self.faults -= 1;
            tab.truth.clear_since = None;
            // The page will stand still until then, for all that the core can do about it.
            let fires = tab.timer.map_or(0, |(.., fires)| fires.saturating_sub(mono));
            tab.truth.stood_still = tab.truth.stood_still.max(true_now + fires);
        }
        self.judge(&turn, had)?;
        Ok(said)
    }

    /// A tab looks at its clocks: the moment on them, and whether it finds the wall clock set back. As in
    /// `src/web.rs`: it then hears nothing more of what it was told before.
    pub(crate) fn look(&mut self, at: usize) -> (Instant, bool) {
        let reading = self.machine.read(self.rules.broken);
        let tab = &mut self.tabs[at];
        let before = tab.clock.set_back_at();
        let now = tab.clock.now(reading);
        tab.truth.disturbed = false;
        let set_back = tab.clock.set_back_at() != before && self.rules.broken != Some(Broken::ForgetsSetBack);
        if set_back {
            tab.truth.hears_nothing();
            self.mail.retain(|letter| letter.to != at);
        }
        (now, set_back)
    }

    /// The reference model is told first.
    fn foresee(&mut self, at: usize, verb: &Verb, now: Instant) {
        let tab = &mut self.tabs[at];
        let Verb::Event(event) = verb else { return };
        match event {
            Event::Shown => {
                tab.reference.woke(false, now);
                self.runs_since_now(at);
            }
            Event::Woken => tab.reference.woke(false, now),
            Event::Restored => tab.reference.woke(true, now),
            Event::PutAway => tab.reference.put_away(),
            Event::Close => tab.reference.close(),
            _ => {}
        }
    }

    /// An answer is here. The model is told first.
    pub(crate) fn answered(&mut self, call: &Call, choose: &mut dyn Choose) -> Result {
        let at = call.tab;
        let now = self.tabs[at].peek(self.machine.read(self.rules.broken));
        let true_now = self.machine.now;
        let tab = &mut self.tabs[at];
        let waited_for = match call.purpose {
            Purpose::Refresh(_) => tab.truth.refreshing.take_if(|id| *id == call.id).is_some(),
            Purpose::SignIn(_) | Purpose::SignOut => tab.truth.call == Some(call.id),
        };
        if waited_for {
            match call.purpose {
                Purpose::Refresh(_) => {
                    let got = tab.reference.refreshed(call, call.asked_at, now);
                    let later = match call.fate {
                        Fate::Later => 7_000,
                        Fate::MuchLater => 90_000,
                        _ => 0,
                    };
                    if got {
                        self.served(at);
                        self.owe_token(call);
                    } else {
                        tab.truth.clear_since = None;
                        tab.truth.patience = tab.truth.patience.max(now + Millis(later));
                    }
                }
                Purpose::SignIn(_) => {
                    tab.reference.entering = false;
                    if let (true, Outcome::Token { row, user, .. }) = (call.is_answered(), call.outcome) {
                        tab.reference.entered(row, user, call.asked_at, now);
                        tab.truth.clear_since = Some(true_now);
                        tab.truth.patience = Instant(0);
                    }
                }
                Purpose::SignOut => {
                    tab.reference.left(call.is_answered() && call.outcome == Outcome::Done);
                }
            }
        }
        let event = Event::Answered { id: call.id, reply: call.reply() };
        let ends = call.fate == Fate::Another
            || call.is_answered()
                && matches!(call.outcome, Outcome::Ended(..) | Outcome::NoSession | Outcome::Done);
        let cause = match (waited_for, ends) {
            (false, _) => Cause::Late,
            (true, true) => Cause::End,
            (true, false) => Cause::Other,
        };
        self.drive_as(at, Verb::Event(event), cause, choose).map(drop)
    }

    fn perform(&mut self, turn: &mut Turn, action: Action, choose: &mut dyn Choose) -> Result {
        let at = turn.tab;
        if self.tabs[at].truth.closed {
            let settles = matches!(action, Action::Settle(..));
            if !settles {
                return violated(self, Property::NothingAfterClose, at, &format!("{action:?}"));
            }
        }
        match action {
            Action::Refresh { id, reason, .. } => self.refresh(turn, id, reason, choose)?,
            Action::Abort(id) => self.give_up_call(turn, id, choose),
            Action::Lock(id) => {
                let truth = &mut self.tabs[at].truth;
                truth.asked_lock = Some((id, turn.now));
                truth.hurried = (!truth.held.is_empty()).then_some(id);
                self.lock.ask(Claim { tab: at, id });
            }
            Action::LockSecond(id) => {
                // The wait for the first one counts.
                let truth = &mut self.tabs[at].truth;
                if let Some((asked, _)) = &mut truth.asked_lock {
                    truth.hurried = truth.hurried.filter(|hurried| hurried == asked).map(|_| id);
                    *asked = id;
                }
                self.second.ask(Claim { tab: at, id });
            }
            Action::Unlock(id) => {
                self.lock.release(Claim { tab: at, id });
                self.second.release(Claim { tab: at, id });
            }
            Action::Tell(message) => self.post(turn, &message, choose),
            Action::Settle(id, settled) => {
                let held = &mut self.tabs[at].truth.held;
                let Some(place) = held.iter().position(|held| held.id == id) else {
                    return violated(self, Property::SettledOnce, at, &format!("{id:?} is settled again"));
                };
                let held = held.remove(place);
                let waited = self.machine.now - held.since;
                if self.tabs[at].truth.stood_still < held.since {
                    self.tally.waits.push(waited as u32);
                }
                self.note(|| format!("tab {at}: {id:?} is settled after {waited} ms: {settled:?}"));
                if let Settled::Token(token) = settled {
                    let facts = Facts::of(&token);
                    if held.user.is_some_and(|user| facts.is_none_or(|facts| facts.user != user)) {
                        let what = format!("made for {:?}, sent with {facts:?}", held.user);
                        return violated(self, Property::NobodyElsesToken, at, &what);
                    }
                    self.leave(at, &token)?;
                }
            }
            Action::Finish(id, result) => {
                let truth = &mut self.tabs[at].truth;
                if truth.call.take_if(|call| *call == id).is_none() {
                    return violated(self, Property::SettledOnce, at, &format!("{id:?} is finished again"));
                }
                let reference = &mut self.tabs[at].reference;
                reference.entering = false;
                if result.is_err() {
                    reference.left(false);
                    // While it was being signed out it had no token to renew.
                    self.runs_since_now(at);
                }
            }
            Action::Ready => {
                if std::mem::replace(&mut self.tabs[at].truth.ready, true) {
                    return violated(self, Property::SettledOnce, at, "it is ready twice");
                }
            }
            Action::Emit(Notice::SignedOut { reason, session }) => {
                self.tally.sign_outs += 1;
                self.note(|| format!("tab {at}: signed out of {session:?}, {reason:?}"));
                if !turn.may_end || std::mem::replace(&mut turn.ended, true) {
                    return violated(self, Property::OneCausePerSignOut, at, &format!("{reason:?}"));
                }
                let row = session.and_then(|session| row_of(&session.id));
                if let Some(row) = row.filter(|_| reason != EndReason::NoSession) {
                    self.owe_end(turn, row);
                }
                let stands = row
                    .is_some_and(|row| self.cookie == Some(row) && self.server.live(self.cookie).is_some());
                if stands {
                    return violated(self, Property::NoFalseSignOut, at, &format!("{row:?} stands"));
                }
            }
            Action::Emit(_) => {}
        }
        Ok(())
    }

    fn refresh(&mut self, turn: &Turn, id: RequestId, reason: Reason, choose: &mut dyn Choose) -> Result {
        let (at, now) = (turn.tab, turn.now);
        let claim = Claim { tab: at, id };
        let locked = self.lock.is_held_for(claim) || self.second.is_held_for(claim);
        let Tab { truth, reference, .. } = &mut self.tabs[at];
        let alone = truth.refreshing.replace(id).is_none();
        // In the background three seconds for the first lock and half of one at least for the second; half a
        // second for both where somebody waits.
        let patience = Millis(if truth.hurried == Some(id) { 500 } else { 3_500 });
        let waited =
            truth.asked_lock.is_some_and(|(asked, since)| asked == id && now.since(since) >= patience);
        let may_go =
            locked || waited || reason == Reason::Start || truth.refused == Some(id) || !self.rules.channel;
        // What it was told takes a moment to arrive.
        let true_now = self.machine.now;
        let has_heard = truth.told_token.is_some_and(|(account, told, asked)| {
            reference.account() == Some(account) && (told + 2 * POST..asked + RENEW).contains(&true_now)
        });
        let due = reason != Reason::Timer || (reference.renewal().is_none_or(|at| at <= now) && !has_heard);
        let patient = now >= truth.patience;
        let forced = reason == Reason::Rejected;
        let too_soon = forced && truth.forced_at.is_some_and(|at| now.since(at) < Millis(SLACK));
        if forced {
            truth.forced_at = Some(now);
        }
        self.tabs[at].attempted(now);
        let attempts = &self.tabs[at].truth.attempts;
        let bounded = attempts
            .iter()
            .enumerate()
            .all(|(place, from)| (attempts.len() - place) as u64 <= 10 + now.since(*from).0 / 5_000);
        for (holds, property) in [
            (alone, Property::OneRefreshPerTab),
            (may_go, Property::OneRefreshPerBrowser),
            (due, Property::OneRefreshPerCycle),
            (patient, Property::RetryAfterIsHonoured),
            (!too_soon, Property::OneForcedRefreshPerTenSeconds),
            (bounded, Property::AttemptsAreBounded),
        ] {
            if !holds {
                return violated(self, property, at, &format!("it refreshes: {reason}"));
            }
        }
        self.send(at, id, Purpose::Refresh(reason), choose);
        Ok(())
    }

    fn give_up_call(&mut self, turn: &Turn, id: RequestId, choose: &mut dyn Choose) {
        let at = turn.tab;
        if self.tabs[at].truth.refreshing.take_if(|refreshing| *refreshing == id).is_some() {
            let after = self.tabs[at].truth.attempts.back().map(|asked| turn.now.since(*asked));
            if let Some(after) = after.filter(|_| !matches!(turn.verb, Verb::Event(Event::PutAway))) {
                self.tabs[at].reference.gave_up(after, turn.now);
            }
        }
        self.abort(at, id, choose);
    }

    /// A tab got a token: those that hear it and have that session have got it too.
    fn owe_token(&mut self, call: &Call) {
        let (now, reading) = (self.machine.now, self.machine.read(self.rules.broken));
        let Some(account) = self.tabs[call.tab].reference.account() else { return };
        self.each_listener(call.tab, |tab| {
            // Not believed where it was asked for before the clock was found to be set back.
            let asked = tab.peek(reading) - Millis(now - call.asked);
            let believed = !tab.truth.disturbed && asked > tab.clock.set_back_at();
            if tab.reference.account() == Some(account) && believed {
                tab.truth.told_token = Some((account, now, call.asked));
            }
        });
    }

    /// A tab was told by the server, or by its user, that the session is over. Who heard it from another tab
    /// tells nobody.
    fn owe_end(&mut self, turn: &Turn, row: usize) {
        let now = self.machine.now;
        if matches!(turn.verb, Verb::Event(Event::Heard(_))) {
            return;
        }
        self.each_listener(turn.tab, |tab| {
            if tab.reference.account().is_some_and(|(its, _)| its == row) && tab.truth.missed_end != Some(now)
            {
                tab.truth.told_end = Some((row, now));
            }
        });
    }

    fn each_listener(&mut self, from: usize, mut visit: impl FnMut(&mut Tab)) {
        if !self.rules.channel {
            return;
        }
        let others = self.tabs.iter_mut().enumerate().filter(|(at, tab)| *at != from && tab.hears());
        others.for_each(|(_, tab)| visit(tab));
    }

    fn post(&mut self, turn: &Turn, message: &Message, choose: &mut dyn Choose) {
        let wall = self.machine.wall();
        for to in 0..self.tabs.len() {
            let tab = &self.tabs[to];
            if to == turn.tab || matches!(tab.life, Life::Dead | Life::Away) || tab.truth.closed {
                continue;
            }
            let faulty = self.rules.letters && self.faults > 0;
            let chosen = if faulty { choose.choose(Kind::Letter, 3) } else { 0 };
            let due = match chosen {
                0 => Some(self.machine.now + POST),
                1 => None,
                _ => Some(self.machine.now + LATE_POST),
            };
            self.faults -= u32::from(chosen > 0);
            if chosen > 0 {
                let now = self.machine.now;
                let truth = &mut self.tabs[to].truth;
                match message {
                    Message::Token(_) => truth.told_token = None,
                    Message::Ended { .. } => truth.missed_end = Some(now),
                    Message::Active => {}
                }
            }
            match due {
                Some(due) => self.mail.push(Letter::write(message.clone(), to, due, turn.now, wall)),
                None => self.note(|| format!("tab {to}: will not hear {message:?}")),
            }
        }
    }

    /// A request leaves with this token.
    pub(crate) fn leave(&mut self, at: usize, token: &Token) -> Result {
        let now = self.machine.now;
        self.tabs[at].truth.carried = Some(token.serial());
        let Some(facts) = Facts::of(token) else {
            return violated(self, Property::NoStaleRequest, at, "with a token of nobody's");
        };
        if now >= facts.asked + LIFE {
            let what = format!("{} ms old", now - facts.asked);
            return violated(self, Property::NoStaleRequest, at, &what);
        }
        let accepted = now < facts.dated + LIFE;
        let ended = self.server.rows[facts.row].ended.map(|(at, _)| at);
        if accepted && ended.is_some_and(|ended| now > ended + LIFE) {
            return violated(self, Property::RevokedWithinSixtySeconds, at, &format!("{facts:?}"));
        }
        Ok(())
    }
}
