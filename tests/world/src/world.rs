//! The world: tabs, lock, channel, calls, server, machine; and what happens next.

use std::sync::Arc;

use fiftyten::event::{Event, RequestId};
use fiftyten::message::Message;

use crate::act::Act;
use crate::aside::Aside;
use crate::choose::{Choose, Kind, Ordinary};
use crate::lock::{Claim, Lock};
use crate::machine::Machine;
use crate::mail::Letter;
use crate::perform::Cause;
use crate::property::Result;
use crate::rules::{Broken, Rules, UNLIMITED};
use crate::server::{Call, Fate, Outcome, Purpose, Server};
use crate::tab::{Life, Tab, config};
use crate::verb::{Said, Verb};

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The constants.
    pub rules: Aside<Arc<Rules>>,
    /// The machine.
    pub machine: Machine,
    /// The tabs of the browser.
    pub tabs: Vec<Tab>,
    /// Their lock.
    pub lock: Lock,
    /// The one for those who could not have that one in time.
    pub second: Lock,
    /// Messages between them.
    pub mail: Vec<Letter>,
    /// Calls to the server.
    pub calls: Vec<Call>,
    /// The server.
    pub server: Server,
    /// The browser's cookie: the row it stands for.
    pub cookie: Option<usize>,
    /// How many turns the environment has left.
    pub turns: u32,
    /// How many faults are left.
    pub faults: u32,
    /// The start is over: from here on what the rules say of every call holds.
    settled: bool,
    /// Of the page that was loaded last.
    pub seed: u64,
    /// Counts.
    pub tally: Aside<Tally>,
    /// What happened, if anybody wants to know.
    journal: Aside<Option<Vec<String>>>,
}

/// Counts, of which no property depends.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that left at once, with a token.
    pub requests: u64,
    /// Requests that were held back.
    pub held: u64,
    /// How long they waited, in ms, where their page ran all the time. Taken out by whoever wants it.
    pub waits: Vec<u32>,
    /// Refreshes that were sent.
    pub attempts: u64,
    /// Sign-outs.
    pub sign_outs: u64,
    /// When refreshes reached the server, in true ms. Taken out by whoever wants it.
    pub refreshes: Vec<u64>,
}

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Mark,
    Timer(usize),
    Granted(Claim),
    Refused(Claim),
    Arrival(usize),
    Answer(usize),
    Letter(usize),
}

impl World {
    /// A browser with a session of user 0, whose pages are being loaded.
    ///
    /// # Errors
    /// What did not hold.
    pub fn new(rules: Arc<Rules>, seed: u64) -> Result<Self> {
        let machine = Machine::default();
        let mut world = Self {
            machine,
            tabs: Vec::new(),
            lock: Lock::default(),
            second: Lock::default(),
            mail: Vec::new(),
            calls: Vec::new(),
            server: Server { rows: Vec::new() },
            cookie: None,
            turns: rules.turns,
            faults: 0,
            settled: false,
            seed,
            tally: Aside::default(),
            journal: Aside(None),
            rules: Aside(rules),
        };
        world.cookie = Some(world.server.begin(0));
        for _ in 0..world.rules.tabs {
            world.seed = world.seed.wrapping_add(1);
            let config = config(world.seed, &world.rules);
            let reading = world.machine.read(world.rules.broken);
            world.tabs.push(Tab::new(config, reading, 0));
        }
        for tab in 0..world.rules.tabs {
            world.drive(tab, Verb::Timeout, &mut Ordinary)?;
        }
        world.faults = world.rules.faults;
        Ok(world)
    }

    /// The same, when the first answers are here.
    ///
    /// # Errors
    /// What did not hold.
    pub fn signed_in(rules: Arc<Rules>, seed: u64) -> Result<Self> {
        let mut world = Self::new(rules, seed)?;
        let faults = std::mem::take(&mut world.faults);
        world.run_until(world.rules.start, &mut Ordinary)?;
        world.faults = faults;
        world.set_locks(world.rules.locks);
        world.settled = true;
        Ok(world)
    }

    /// One thing happens: what is due next, or something that the environment may do now. False if
    /// the world is over.
    ///
    /// # Errors
    /// What did not hold.
    pub fn step(&mut self, choose: &mut dyn Choose) -> Result<bool> {
        let horizon = self.rules.horizon.saturating_add(self.machine.slept());
        let at = self.next_due().filter(|at| *at <= horizon);
        let possible = self.possible();
        let chosen = choose.choose(Kind::Course, possible.len() + 1);
        match (chosen.checked_sub(1).and_then(|place| possible.get(place)), at) {
            (Some(&act), _) => {
                if !act.undoes() && self.turns != UNLIMITED {
                    self.turns -= 1;
                }
                self.act(act, choose)?;
            }
            (None, Some(at)) => self.fire(at, choose)?,
            (None, None) => return Ok(false),
        }
        self.judge_delays()?;
        Ok(true)
    }

    /// What is due next happens. False if nothing is.
    ///
    /// # Errors
    /// What did not hold.
    pub fn pass(&mut self, choose: &mut dyn Choose) -> Result<bool> {
        let Some(at) = self.next_due() else { return Ok(false) };
        self.fire(at, choose)?;
        self.judge_delays()?;
        Ok(true)
    }

    /// Everything that is due until then happens.
    ///
    /// # Errors
    /// What did not hold.
    pub fn run_until(&mut self, until: u64, choose: &mut dyn Choose) -> Result {
        while let Some(at) = self.next_due().filter(|at| *at <= until) {
            self.fire(at, choose)?;
            self.judge_delays()?;
        }
        self.machine.now = self.machine.now.max(until);
        self.judge_delays()
    }

    pub(crate) fn set_locks(&mut self, there: bool) {
        self.lock.missing = !there;
        self.second.missing = !there;
    }

    fn possible(&self) -> Vec<Act> {
        let affordable = |act: &Act| self.turns > 0 || act.undoes();
        self.rules.acts.iter().copied().filter(|act| affordable(act) && self.can(*act)).collect()
    }

    /// When the next thing is due, in true ms.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let mut first = None;
        self.each_due(|at, _| first = Some(first.map_or(at, |first: u64| first.min(at))));
        first.map(|first| first.max(self.machine.now))
    }

    fn each_due(&self, mut visit: impl FnMut(u64, Due)) {
        let now = self.machine.now;
        let runs = |tab: usize| self.tabs[tab].life == Life::Running;
        for (place, tab) in self.tabs.iter().enumerate().filter(|(place, _)| runs(*place)) {
            if let Some((.., fires)) = tab.timer {
                visit(now + fires.saturating_sub(self.machine.mono()), Due::Timer(place));
            }
        }
        for lock in [&self.lock, &self.second] {
            if let Some(claim) = lock.untold().filter(|claim| runs(claim.tab)) {
                visit(now, Due::Granted(claim));
            }
            for claim in lock.refused().filter(|claim| runs(claim.tab)) {
                visit(now, Due::Refused(claim));
            }
        }
        for (place, call) in self.calls.iter().enumerate() {
            if let Some(at) = call.arrives {
                visit(at, Due::Arrival(place));
            }
            if let Some(at) = call.due.filter(|_| runs(call.tab)) {
                visit(at, Due::Answer(place));
            }
        }
        for (place, letter) in self.mail.iter().enumerate() {
            if self.tabs[letter.to].hears() {
                visit(letter.due, Due::Letter(place));
            }
        }
        if let Some(at) = self.rules.marks.iter().copied().find(|at| *at > now) {
            visit(at, Due::Mark);
        }
    }

    fn fire(&mut self, at: u64, choose: &mut dyn Choose) -> Result {
        let mut count = 0;
        self.each_due(|due, _| count += usize::from(due <= at));
        let chosen = if count > 1 { choose.choose(Kind::Order, count) } else { 0 };
        let mut place = 0;
        let mut fired = None;
        self.each_due(|due, what| {
            if due <= at {
                if place == chosen {
                    fired = Some(what);
                }
                place += 1;
            }
        });
        self.machine.now = self.machine.now.max(at);
        match fired {
            None | Some(Due::Mark) => Ok(()),
            Some(Due::Timer(tab)) => {
                self.note(|| format!("tab {tab}: its timer"));
                self.tabs[tab].timer = None;
                self.drive(tab, Verb::Timeout, choose).map(drop)
            }
            Some(Due::Granted(claim)) => {
                self.note(|| format!("tab {}: it has the lock", claim.tab));
                self.lock.tell(claim);
                self.second.tell(claim);
                self.drive(claim.tab, Verb::Event(Event::Locked(claim.id)), choose).map(drop)
            }
            Some(Due::Refused(claim)) => {
                self.note(|| format!("tab {}: there is no lock", claim.tab));
                self.lock.tell_refused(claim);
                self.second.tell_refused(claim);
                self.tabs[claim.tab].truth.refused = Some(claim.id);
                self.drive(claim.tab, Verb::Event(Event::LockFailed(claim.id)), choose).map(drop)
            }
            Some(Due::Arrival(place)) => {
                self.arrive(place);
                Ok(())
            }
            Some(Due::Answer(place)) => self.answer(place, choose),
            Some(Due::Letter(place)) => self.deliver(place, choose),
        }
    }

    /// A call is sent; what becomes of it is chosen.
    pub(crate) fn send(&mut self, tab: usize, id: RequestId, purpose: Purpose, choose: &mut dyn Choose) {
        let now = self.machine.now;
        let about = self.tabs[tab].reference.account().map(|(row, _)| row);
        let is_refresh = matches!(purpose, Purpose::Refresh(_));
        let width = if self.faults > 0 { self.rules.fates.len() + 1 } else { 1 };
        let chosen = if width > 1 { choose.choose(Kind::Fate, width) } else { 0 };
        let always = self.rules.always.filter(|_| self.settled);
        let fate = match always.or(chosen.checked_sub(1).map(|place| self.rules.fates[place])) {
            // There is no other session to be confused with, or to sign out of; and a page that was
            // put away, or that was told so before, can't tell this from the truth.
            Some(Fate::Another)
                if about.is_none() || !is_refresh || self.tabs[tab].reference.believes_another() =>
            {
                Fate::Quick
            }
            Some(fate) => fate,
            None => Fate::Quick,
        };
        let mut latency = self.rules.latencies[0];
        match fate {
            Fate::Quick if self.rules.latencies.len() > 1 => {
                latency = self.rules.latencies[choose.choose(Kind::Latency, self.rules.latencies.len())];
            }
            Fate::Quick => {}
            _ => {
                self.faults -= u32::from(always.is_none());
                if is_refresh {
                    self.tabs[tab].truth.clear_since = None;
                }
            }
        }
        let (arrives, due) = match fate {
            Fate::SlowAnswer => (Some(now), Some(now + 3_000)),
            Fate::SlowServer => (Some(now + 4_900), Some(now + 5_000)),
            Fate::Hang => (Some(now), None),
            Fate::Quick => (Some(now), Some(now + latency)),
            _ => (None, Some(now + latency)),
        };
        if is_refresh {
            self.tally.attempts += 1;
            if fate != Fate::Unreachable {
                self.tally.refreshes.push(now);
            }
        }
        let asked_at = self.tabs[tab].peek(self.machine.read(self.rules.broken));
        let cookie = self.cookie;
        let outcome = Outcome::Nothing;
        self.note(|| format!("tab {tab}: sends {purpose:?}; it will be {fate:?}"));
        self.calls.push(Call {
            tab,
            id,
            purpose,
            asked: now,
            asked_at,
            cookie,
            about,
            fate,
            arrives,
            due,
            outcome,
            aborted: false,
        });
        if arrives == Some(now) {
            self.arrive(self.calls.len() - 1);
        }
    }

    fn arrive(&mut self, place: usize) {
        let now = self.machine.now;
        let call = &mut self.calls[place];
        call.arrives = None;
        call.outcome = self.server.take(call.purpose, call.cookie, now);
        if let (Some(Broken::DatesLate), Outcome::Token { dated, .. }, Some(due)) =
            (self.rules.broken, &mut call.outcome, call.due)
        {
            *dated = due;
        }
        if self.calls[place].due.is_none() {
            self.calls.remove(place);
        }
    }

    /// The page gives a call up.
    pub(crate) fn abort(&mut self, tab: usize, id: RequestId, choose: &mut dyn Choose) {
        let now = self.machine.now;
        let Some(place) = self.calls.iter().position(|call| call.tab == tab && call.id == id) else { return };
        let late = self.rules.late && self.faults > 0 && self.calls[place].due.is_some();
        let comes = late && choose.choose(Kind::Late, 2) == 1;
        self.faults -= u32::from(comes);
        let call = &mut self.calls[place];
        call.aborted = true;
        if !comes {
            // `fetch` rejects at once.
            call.fate = Fate::Unreachable;
            call.due = Some(now);
        }
    }

    fn answer(&mut self, place: usize, choose: &mut dyn Choose) -> Result {
        let mut call = self.calls[place].clone();
        if call.arrives.is_some() {
            self.calls[place].due = None;
            call.fate = Fate::Unreachable;
        } else {
            self.calls.remove(place);
        }
        self.note(|| {
            format!("tab {}: the answer to {:?}: {:?}, {:?}", call.tab, call.purpose, call.fate, call.outcome)
        });
        self.judge_token(&call)?;
        if call.is_answered() {
            match (call.purpose, call.outcome) {
                (Purpose::SignIn(_), Outcome::Token { row, .. }) => self.cookie = Some(row),
                (Purpose::SignOut, Outcome::Done) => self.cookie = None,
                _ => {}
            }
        }
        self.answered(&call, choose)
    }

    fn deliver(&mut self, place: usize, choose: &mut dyn Choose) -> Result {
        let letter = self.mail.remove(place);
        let to = letter.to;
        let (now, set_back) = self.look(to);
        let Some(message) = letter
            .read(now, self.machine.wall())
            // It is older than it seems.
            .filter(|message| !(set_back && matches!(message, Message::Token(_))))
        else {
            return Ok(());
        };
        self.note(|| format!("tab {to}: hears {message:?}"));
        let reference = &mut self.tabs[to].reference;
        match &message {
            Message::Token(handover) => {
                let of = handover.grant.session();
                if reference.heard(of, handover.sent_at, handover.confirmed, now) {
                    self.served(to);
                }
            }
            Message::Ended { session, .. } => {
                reference.heard_end(session, now);
            }
            Message::Active => {}
        }
        let cause = if matches!(message, Message::Ended { .. }) { Cause::End } else { Cause::Other };
        self.drive_as(to, Verb::Event(Event::Heard(message)), cause, choose).map(drop)
    }

    /// A tab got a token: from here on nothing excuses it.
    pub(crate) fn served(&mut self, tab: usize) {
        let now = self.machine.now;
        let truth = &mut self.tabs[tab].truth;
        truth.clear_since.get_or_insert(now);
        truth.patience = fiftyten::clock::Instant(0);
    }

    /// What was before is no fault of a tab's.
    pub(crate) fn runs_since_now(&mut self, tab: usize) {
        let now = self.machine.now;
        let truth = &mut self.tabs[tab].truth;
        truth.clear_since = truth.clear_since.map(|since| since.max(now));
        truth.stood_still = truth.stood_still.max(now);
    }

    /// Drives a tab.
    pub(crate) fn drive(&mut self, tab: usize, verb: Verb, choose: &mut dyn Choose) -> Result<Said> {
        self.drive_as(tab, verb, Cause::Other, choose)
    }

    /// Keeps a journal from now on.
    pub fn keep_journal(&mut self) {
        self.journal.0 = Some(Vec::new());
    }

    /// What was written since this was called last.
    pub fn take_journal(&mut self) -> Vec<String> {
        self.journal.0.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.machine.now;
        if let Some(journal) = &mut self.journal.0 {
            journal.push(format!("{now:>7} ms  {}", line()));
        }
    }
}
