//! Every history of a small world, breadth first, so that a counterexample is a shortest one.
//!
//! Two states are taken for one if 128 bits of SipHash over all of their fields agree. Among a
//! hundred million states, more than are ever visited here, two different ones do so with a
//! probability below 2^-76, and then a part of the search is lost, never a false alarm raised.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::choose::{Choose, Kind};
use crate::property::{Result, Violation};
use crate::rules::Rules;
use crate::world::World;

/// Membership is all that is asked of it: its order is never seen.
#[expect(clippy::disallowed_types, reason = "membership is all that is asked of it; its order is never seen")]
type Seen = std::collections::HashSet<u128>;

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// The world's name.
    pub world: &'static str,
    /// Different states.
    pub states: u64,
    /// Steps from one to another.
    pub transitions: u64,
    /// The longest history, in steps.
    pub depth: usize,
    /// The search was cut off at so many states.
    pub cut: bool,
    /// What did not hold, if anything did not.
    pub counterexample: Option<Counterexample>,
}

/// A shortest history that breaks a property.
#[derive(Debug)]
pub struct Counterexample {
    /// What did not hold.
    pub violation: Box<Violation>,
    /// In how many steps.
    pub steps: usize,
    /// What happened.
    pub trace: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { world, states, transitions, depth, cut, counterexample } = self;
        let cut = if *cut { ", cut off" } else { "" };
        write!(f, "{world}: {states} states, {transitions} transitions, {depth} steps deep{cut}")?;
        if let Some(Counterexample { violation, steps, trace }) = counterexample {
            write!(f, "\n  {violation}\n  in {steps} steps:")?;
            for line in trace {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// A list of choices, and how many there were to choose from at each.
#[derive(Default)]
struct Script {
    chosen: Vec<u8>,
    widths: Vec<u8>,
    at: usize,
}

impl Choose for Script {
    fn choose(&mut self, _: Kind, width: usize) -> usize {
        if self.at == self.chosen.len() {
            self.chosen.push(0);
        }
        self.widths.truncate(self.at);
        self.widths.push(width as u8);
        self.at += 1;
        self.chosen[self.at - 1].into()
    }
}

impl Script {
    /// The next list in order, as of numbers whose digits have these widths. False after the last.
    fn advance(&mut self) -> bool {
        self.chosen.truncate(self.at);
        self.at = 0;
        while let Some(last) = self.chosen.pop() {
            if last + 1 < self.widths[self.chosen.len()] {
                self.chosen.push(last + 1);
                return true;
            }
        }
        false
    }
}

/// How a state was reached: from which, by which choices.
type Link = (u32, Box<[u8]>);

/// Explores it all, or until so many states were seen.
#[must_use]
pub fn explore(start: &World, limit: u64) -> Report {
    let mut report = Report {
        world: start.rules.name,
        states: 1,
        transitions: 0,
        depth: 0,
        cut: false,
        counterexample: None,
    };
    let mut seen = Seen::default();
    seen.insert(hash(start));
    let mut links: Vec<Link> = vec![(0, Box::default())];
    let mut level = vec![(0_u32, start.clone())];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (origin, world) in level {
            let mut script = Script::default();
            loop {
                let mut after = world.clone();
                let outcome = after.step(&mut script);
                report.transitions += 1;
                match outcome {
                    Ok(false) => {}
                    Ok(true) => {
                        if seen.insert(hash(&after)) {
                            let name = links.len() as u32;
                            links.push((origin, script.chosen[..script.at].into()));
                            next.push((name, after));
                        }
                    }
                    Err(violation) => {
                        links.push((origin, script.chosen[..script.at].into()));
                        report.counterexample = Some(retell(start, &links, violation));
                        report.states = links.len() as u64;
                        return report;
                    }
                }
                if !script.advance() {
                    break;
                }
            }
            if links.len() as u64 >= limit {
                report.cut = true;
                report.states = links.len() as u64;
                return report;
            }
        }
        report.depth += usize::from(!next.is_empty());
        level = next;
    }
    report.states = links.len() as u64;
    report
}

/// Explores the world of these rules, from when its pages are signed in.
#[must_use]
pub fn explore_rules(rules: Rules, limit: u64) -> Report {
    let name = rules.name;
    match World::signed_in(Arc::new(rules), 0) {
        Ok(world) => explore(&world, limit),
        Err(violation) => Report {
            world: name,
            states: 1,
            transitions: 0,
            depth: 0,
            cut: false,
            counterexample: Some(Counterexample { violation, steps: 0, trace: Vec::new() }),
        },
    }
}

fn hash(world: &World) -> u128 {
    let mut hasher = SipHasher13::new();
    world.hash(&mut hasher);
    hasher.finish128().as_u128()
}

/// Goes the way once more, with a journal.
fn retell(start: &World, links: &[Link], violation: Box<Violation>) -> Counterexample {
    let mut way = Vec::new();
    let mut at = links.len() - 1;
    while at > 0 {
        way.push(&links[at].1);
        at = links[at].0 as usize;
    }
    let mut world = start.clone();
    world.keep_journal();
    let told: Result<bool> = way.iter().rev().try_fold(true, |_, chosen| {
        let mut script = Script { chosen: chosen.to_vec(), ..Script::default() };
        world.step(&mut script)
    });
    debug_assert!(told.is_err(), "the same choices lead to the same end");
    Counterexample { violation, steps: way.len(), trace: world.take_journal() }
}
