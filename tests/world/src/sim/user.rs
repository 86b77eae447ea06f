//! One browser: what its user does, and what happens to it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::act::Act;
use crate::choose::{Choose, Kind, Random};
use crate::property::{Property, Result, Violation};
use crate::rules::{Rules, UNLIMITED};
use crate::server::Fate;
use crate::sim::{HOUR, Plan, Totals};
use crate::tab::Life;
use crate::world::World;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

/// What the next event is about; a number is a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Request(usize),
    Rejected(usize),
    Active(usize),
    /// The user looks at another tab.
    Look,
    Freeze(usize),
    Thaw(usize),
    Stop(usize),
    Continue(usize),
    Leave(usize),
    Return(usize),
    Crash(usize),
    Reload(usize),
    Sleep,
    SetClock,
    SignOut,
    SignIn,
    Switch,
    Revoke,
    Offline,
    Online,
    Outage(bool),
}

/// How the network and the server are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    Well,
    Offline,
    Out,
}

/// Chooses by the state of the network.
struct Fleet {
    random: Random,
    service: Service,
}

/// As they stand in the rules.
const FATES: [Fate; 10] = [
    Fate::SlowAnswer,
    Fate::SlowServer,
    Fate::Hang,
    Fate::Unreachable,
    Fate::Error,
    Fate::Later,
    Fate::MuchLater,
    Fate::Forbidden,
    Fate::Garbage,
    Fate::Bare,
];

impl Choose for Fleet {
    fn choose(&mut self, kind: Kind, width: usize) -> usize {
        let random = &mut self.random;
        match kind {
            Kind::Fate => match self.service {
                // One call in two hundred meets something.
                Service::Well if !random.once_in(200) => 0,
                Service::Well => 1 + random.below(FATES.len() as u64) as usize,
                Service::Offline => 1 + 3,
                // Hang, unreachable, 500, 503 with Retry-After.
                Service::Out => 1 + [2, 3, 4, 6][random.below(4) as usize],
            },
            // Late, once in fifty; lost never: a running page hears everything.
            Kind::Letter if random.once_in(50) => 2,
            Kind::Letter => 0,
            Kind::Late => usize::from(random.once_in(4)),
            // Most answers are quick.
            Kind::Latency => random.below(width as u64).min(random.below(width as u64)) as usize,
            Kind::Course | Kind::Order | Kind::Jitter | Kind::Throttle => random.below(width as u64) as usize,
        }
    }
}

struct User {
    world: World,
    fleet: Fleet,
    heap: BinaryHeap<Reverse<(u64, What)>>,
    account: u8,
    outage: bool,
    offline: bool,
}

/// Lives through the plan.
pub(super) fn live(plan: &Plan, user: u64, totals: &mut Totals) {
    let mut random = Random::new(plan.seed ^ (user + 1).wrapping_mul(0x2545_f491_4f6c_dd1d));
    // Nobody's clock begins at the same moment.
    let offset = random.below(MINUTE);
    let rules = Arc::new(Rules {
        name: "fleet",
        tabs: plan.tabs,
        fates: FATES.to_vec(),
        // Of five browsers two poll in the background, one has no channels, and one no locks.
        poll_while_hidden: user % 5 < 2,
        channel: user % 5 != 2,
        locks: user % 5 != 3,
        letters: true,
        late: true,
        faults: UNLIMITED,
        latencies: vec![20, 30, 40, 60, 80, 120, 200, 500],
        ..Rules::default()
    });
    let seed = random.bits();
    let world = match World::new(rules, seed) {
        Ok(world) => world,
        Err(violation) => return totals.blame(*violation),
    };
    let fleet = Fleet { random, service: Service::Well };
    let mut user = User { world, fleet, heap: BinaryHeap::new(), account: 0, outage: false, offline: false };
    user.plan(plan, offset);
    let outcome = user.run(plan.length, offset, totals);
    let tally = std::mem::take(&mut user.world.tally.0);
    totals.requests += tally.requests + tally.held;
    totals.held += tally.held;
    totals.attempts += tally.attempts;
    totals.sign_outs += tally.sign_outs;
    totals.awake += user.world.machine.mono();
    if let Err(violation) = outcome {
        totals.blame(*violation);
    }
}

impl User {
    fn plan(&mut self, plan: &Plan, offset: u64) {
        for outage in &plan.outages {
            let from = outage.from.saturating_sub(offset);
            self.heap.push(Reverse((from, What::Outage(true))));
            self.heap.push(Reverse((from + outage.length, What::Outage(false))));
        }
        for tab in 0..plan.tabs {
            for what in [
                What::Request(tab),
                What::Rejected(tab),
                What::Active(tab),
                What::Freeze(tab),
                What::Stop(tab),
                What::Leave(tab),
                What::Crash(tab),
            ] {
                self.again(what);
            }
        }
        for what in [
            What::Look,
            What::Sleep,
            What::SetClock,
            What::SignOut,
            What::Switch,
            What::Revoke,
            What::Offline,
        ] {
            self.again(what);
        }
    }

    /// How long it takes on average until this happens, in ms.
    fn mean(&self, what: What) -> u64 {
        match what {
            What::Request(tab) if self.world.tabs[tab].visible => 15 * SECOND,
            What::Request(_) => 4 * MINUTE,
            What::Rejected(_) => 30 * MINUTE,
            What::Active(_) | What::Look => 2 * MINUTE,
            What::Freeze(_) => 20 * MINUTE,
            What::Thaw(_) => 3 * MINUTE,
            What::Stop(_) => 2 * HOUR,
            What::Continue(_) => 40 * SECOND,
            What::Leave(_) => 30 * MINUTE,
            What::Return(_) => 40 * SECOND,
            What::Crash(_) => HOUR,
            What::Reload(_) => 20 * SECOND,
            What::Sleep | What::Revoke => 4 * HOUR,
            What::SetClock | What::SignOut | What::Switch => 6 * HOUR,
            What::SignIn => 30 * SECOND,
            What::Offline => HOUR,
            What::Online => 20 * SECOND,
            What::Outage(_) => 0,
        }
    }

    fn again(&mut self, what: What) {
        let at = self.world.machine.now + self.fleet.random.around(self.mean(what));
        self.heap.push(Reverse((at, what)));
    }

    fn run(&mut self, length: u64, offset: u64, totals: &mut Totals) -> Result {
        while let Some(Reverse((at, what))) = self.heap.pop().filter(|Reverse((at, _))| *at < length) {
            let slept_over = at + SECOND < self.world.machine.now && !matches!(what, What::Outage(_));
            if slept_over {
                self.again(what);
                continue;
            }
            self.world.run_until(at, &mut self.fleet)?;
            self.happen(what)?;
            self.collect(offset, length, totals);
        }
        // All is well at the end: whoever still waits has to be settled within the limit.
        self.fleet.service = Service::Well;
        self.world.run_until(self.world.machine.now + 30 * SECOND, &mut self.fleet)?;
        self.collect(offset, length, totals);
        let waits = |(at, tab): (usize, &crate::tab::Tab)| {
            (tab.life == Life::Running && !tab.truth.held.is_empty()).then_some(at)
        };
        match self.world.tabs.iter().enumerate().find_map(waits) {
            Some(tab) => Err(Box::new(Violation {
                property: Property::SettledInTime,
                tab,
                at: self.world.machine.now,
                what: "somebody waits at the end".to_owned(),
            })),
            None => Ok(()),
        }
    }

    fn collect(&mut self, offset: u64, length: u64, totals: &mut Totals) {
        let tally = &mut self.world.tally;
        tally.waits.drain(..).for_each(|wait| totals.waited(wait));
        for at in tally.refreshes.drain(..) {
            totals.loaded(at + offset, length);
        }
    }

    fn act(&mut self, act: Act) -> Result<bool> {
        let can = self.world.can(act);
        if can {
            self.world.act(act, &mut self.fleet)?;
        }
        Ok(can)
    }

    fn happen(&mut self, what: What) -> Result {
        let mut follows = None;
        match what {
            What::Request(tab) => drop(self.act(Act::Request(tab))?),
            What::Rejected(tab) => drop(self.act(Act::Rejected(tab))?),
            What::Active(tab) if self.world.tabs[tab].visible => drop(self.act(Act::Active(tab))?),
            What::Active(_) => {}
            What::Look => self.look()?,
            What::Freeze(tab) if !self.world.tabs[tab].visible => {
                follows = self.act(Act::Freeze(tab))?.then_some(What::Thaw(tab));
            }
            What::Freeze(_) => {}
            What::Thaw(tab) => drop(self.act(Act::Resume(tab))?),
            What::Stop(tab) => follows = self.act(Act::Stop(tab))?.then_some(What::Continue(tab)),
            What::Continue(tab) => drop(self.act(Act::Continue(tab))?),
            What::Leave(tab) => follows = self.act(Act::PutAway(tab))?.then_some(What::Return(tab)),
            What::Return(tab) => drop(self.act(Act::Restore(tab))?),
            What::Crash(tab) => follows = self.act(Act::Kill(tab))?.then_some(What::Reload(tab)),
            What::Reload(tab) => drop(self.act(Act::Open(tab))?),
            What::Sleep => {
                let length = self.fleet.random.around(20 * MINUTE);
                self.act(Act::Sleep(length))?;
            }
            What::SetClock => {
                let by = 12 * HOUR + self.fleet.random.below(12 * HOUR);
                let by = if self.fleet.random.once_in(2) { by as i64 } else { -(by as i64) };
                self.act(Act::Jump(by))?;
            }
            What::SignOut => {
                if let Some(tab) = self.visible() {
                    self.act(Act::SignOut(tab))?;
                    follows = Some(What::SignIn);
                }
            }
            What::Switch => {
                self.account = self.account.wrapping_add(1);
                follows = Some(What::SignIn);
            }
            What::SignIn => match self.visible() {
                Some(tab) => drop(self.act(Act::SignIn(tab, self.account))?),
                None => follows = Some(What::SignIn),
            },
            What::Revoke => {
                self.act(Act::Revoke)?;
                follows = Some(What::SignIn);
            }
            What::Offline => {
                self.offline = true;
                follows = Some(What::Online);
            }
            What::Online => {
                self.offline = false;
                if let Some(tab) = self.visible() {
                    self.act(Act::Wake(tab))?;
                }
            }
            What::Outage(begins) => self.outage = begins,
        }
        self.fleet.service = match (self.offline, self.outage) {
            (true, _) => Service::Offline,
            (_, true) => Service::Out,
            _ => Service::Well,
        };
        if let Some(next) = follows {
            self.again(next);
        }
        let once = matches!(
            what,
            What::Thaw(_)
                | What::Continue(_)
                | What::Return(_)
                | What::Reload(_)
                | What::SignIn
                | What::Online
                | What::Outage(_)
        );
        if !once {
            self.again(what);
        }
        Ok(())
    }

    fn visible(&self) -> Option<usize> {
        self.world.tabs.iter().position(|tab| tab.visible && tab.life == Life::Running)
    }

    /// One tab is seen, or for once in ten none.
    fn look(&mut self) -> Result {
        let tabs = self.world.tabs.len() as u64;
        let seen = (!self.fleet.random.once_in(10)).then(|| self.fleet.random.below(tabs) as usize);
        for tab in 0..self.world.tabs.len() {
            if Some(tab) == seen {
                // The browser thaws what it shows.
                self.act(Act::Resume(tab))?;
                self.act(Act::Show(tab))?;
            } else {
                self.act(Act::Hide(tab))?;
            }
        }
        Ok(())
    }
}
