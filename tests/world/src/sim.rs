//! The simulator: many browsers, hours of virtual time, ordinary life and all its accidents.

pub mod chart;
mod user;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::property::{Property, Violation};

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many browsers.
    pub users: u64,
    /// How many tabs in each.
    pub tabs: usize,
    /// For how long, in ms.
    pub length: u64,
    /// When nobody is served, and for how long, in ms.
    pub outages: Vec<Outage>,
    /// The same seed makes the same histories, however many threads there are.
    pub seed: u64,
}

/// A time in which nobody is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When it begins, in ms.
    pub from: u64,
    /// How long it lasts, in ms.
    pub length: u64,
}

impl Default for Plan {
    /// A few seconds' worth.
    fn default() -> Self {
        let outages = vec![Outage { from: 2 * HOUR, length: HOUR / 6 }];
        Self { users: 300, tabs: 3, length: 4 * HOUR, outages, seed: 1 }
    }
}

/// In ms.
pub const HOUR: u64 = 3_600_000;

/// The width of a column of the load, in ms.
pub const COLUMN: u64 = 60_000;

/// How long waits are told apart, in ms: a little longer than a request may be held.
const LONGEST_WAIT: usize = 20_000;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Requests with a token past its deadline.
    pub stale: u64,
    /// Sign-outs from a session that stands, or without a cause.
    pub false_sign_outs: u64,
    /// Requests that were held and never settled, or twice.
    pub unsettled: u64,
    /// Histories in which another property failed.
    pub other: u64,
    /// The first thing that was wrong.
    pub first: Option<Violation>,
    /// Requests of the application's, those that were held included.
    pub requests: u64,
    /// Those that were held back.
    pub held: u64,
    /// Refreshes that were sent.
    pub attempts: u64,
    /// Those that reached the server.
    pub refreshes: u64,
    /// True sign-outs.
    pub sign_outs: u64,
    /// Hours, summed over the browsers, in which their machine was awake, in ms.
    pub awake: u64,
    /// Refreshes that reached the server, by columns.
    pub load: Vec<u64>,
    /// Held requests by how many ms they waited, in pages that ran all the time.
    pub waits: Vec<u64>,
}

impl Totals {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.stale + self.false_sign_outs + self.unsettled + self.other == 0
    }

    /// The wait, in ms, that so many of a thousand requests did not exceed.
    #[must_use]
    pub fn wait(&self, per_mille: u64) -> u64 {
        let held: u64 = self.waits.iter().sum();
        let at_once = self.requests - self.held.min(self.requests);
        let mut left = ((held + at_once) * per_mille).div_ceil(1_000).saturating_sub(at_once);
        if left == 0 {
            return 0;
        }
        self.waits
            .iter()
            .position(|count| {
                left = left.saturating_sub(*count);
                left == 0
            })
            .unwrap_or(0) as u64
    }

    fn blame(&mut self, violation: Violation) {
        match violation.property {
            Property::NoStaleRequest | Property::RevokedWithinSixtySeconds => self.stale += 1,
            Property::NoFalseSignOut | Property::OneCausePerSignOut => self.false_sign_outs += 1,
            Property::SettledOnce | Property::SettledInTime => self.unsettled += 1,
            _ => self.other += 1,
        }
        self.first.get_or_insert(violation);
    }

    fn waited(&mut self, ms: u32) {
        self.waits.resize(LONGEST_WAIT, 0);
        self.waits[(ms as usize).min(LONGEST_WAIT - 1)] += 1;
    }

    fn loaded(&mut self, at: u64, length: u64) {
        self.refreshes += 1;
        // What comes after the end, while the last requests are waited for, is no part of the picture.
        if at >= length {
            return;
        }
        let column = (at / COLUMN) as usize;
        if self.load.len() <= column {
            self.load.resize(column + 1, 0);
        }
        self.load[column] += 1;
    }

    fn add(&mut self, other: Self) {
        self.stale += other.stale;
        self.false_sign_outs += other.false_sign_outs;
        self.unsettled += other.unsettled;
        self.other += other.other;
        self.first = self.first.take().or(other.first);
        self.requests += other.requests;
        self.held += other.held;
        self.attempts += other.attempts;
        self.refreshes += other.refreshes;
        self.sign_outs += other.sign_outs;
        self.awake += other.awake;
        add_each(&mut self.load, &other.load);
        add_each(&mut self.waits, &other.waits);
    }
}

fn add_each(to: &mut Vec<u64>, from: &[u64]) {
    to.resize(to.len().max(from.len()), 0);
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// Runs it, on so many threads.
#[must_use]
pub fn run(plan: &Plan, threads: usize) -> Totals {
    let next = AtomicU64::new(0);
    let all = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut totals = Totals::default();
                loop {
                    let user = next.fetch_add(1, Ordering::Relaxed);
                    if user >= plan.users {
                        break;
                    }
                    user::live(plan, user, &mut totals);
                }
                // A thread that panicked ends the run: what it left behind does not matter.
                all.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(totals);
            });
        }
    });
    all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
