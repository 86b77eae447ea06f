//! Long random histories of browsers with up to four tabs: everything may happen, at any time. They
//! shrink towards the ordinary course of things.

use std::fmt;
use std::sync::Arc;

use fiftyten::session::Status;
use fiftyten_world::act::Act;
use fiftyten_world::choose::{Listed, Ordinary};
use fiftyten_world::property::Result;
use fiftyten_world::rules::{Rules, UNLIMITED};
use fiftyten_world::server::Fate;
use fiftyten_world::tab::Life;
use fiftyten_world::world::World;
use proptest::prelude::*;

fn rules(tabs: usize, channel: bool, poll_while_hidden: bool) -> Arc<Rules> {
    Arc::new(Rules {
        name: "random",
        tabs,
        channel,
        poll_while_hidden,
        fates: Fate::BAD.to_vec(),
        letters: true,
        throttle: true,
        late: true,
        faults: UNLIMITED,
        latencies: vec![20, 100, 700],
        ..Rules::default()
    })
}

/// The choices of each step: a list of its own, so that a step can be left out without all the others
/// becoming different ones.
#[derive(Clone)]
struct Steps(Vec<[u16; 4]>);

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line: what they did is told in words.
        write!(f, "{}", format!("{:?}", self.0).replace(' ', ""))
    }
}

/// Steps through it; the world checks every property on its way. One step in three is the
/// environment's.
fn run(world: &mut World, steps: &Steps) -> Result {
    let acts = Act::all(world.tabs.len());
    for [act, rest @ ..] in &steps.0 {
        let mut choose = Listed::new(rest);
        match usize::from(*act).checked_rem(3 * acts.len()).and_then(|place| acts.get(place.wrapping_sub(1)))
        {
            Some(act) if world.can(*act) => world.act(*act, &mut choose)?,
            Some(_) => {}
            None => drop(world.pass(&mut choose)?),
        }
    }
    Ok(())
}

/// Everything is well again: no more faults, every page runs and is seen.
fn recover(world: &mut World) -> Result {
    world.faults = 0;
    world.lock.missing = false;
    for tab in 0..world.tabs.len() {
        for act in [Act::Open(tab), Act::Resume(tab), Act::Continue(tab), Act::Restore(tab), Act::Show(tab)] {
            if world.can(act) {
                world.act(act, &mut Ordinary)?;
            }
        }
    }
    // The longest Retry-After that is believed, a tenth more, and a little.
    world.run_until(world.machine.now + 340_000, &mut Ordinary)
}

/// Prints the history of a failure, which is as short as it could be made.
fn told(rules: &Arc<Rules>, seed: u64, steps: &Steps, wrong: &str) -> String {
    let mut again = World::new(Arc::clone(rules), seed).expect("it began well before");
    again.keep_journal();
    let _ = run(&mut again, steps).and_then(|()| recover(&mut again));
    format!("{wrong}\n{}", again.take_journal().join("\n"))
}

fn cases() -> u32 {
    if std::env::var_os("FIFTYTEN_LONG").is_some() { 200_000 } else { 3_000 }
}

/// What is wrong after it has recovered, if anything.
fn unwell(world: &World) -> Option<&'static str> {
    world.tabs.iter().filter(|tab| tab.life == Life::Running).find_map(|tab| {
        let now = tab.peek(world.machine.read(None));
        // The end of a session that is not its own is not believed, unless it has heard of that
        // session; and here messages get lost.
        let mine = tab.reference.account().map(|(row, _)| row);
        let unheard_of = mine != world.cookie && world.server.live(world.cookie).is_none();
        match tab.core.status() {
            _ if !tab.truth.held.is_empty() => Some("somebody waits for ever"),
            Status::Loading => Some("it does not recover"),
            Status::SignedIn if unheard_of && world.cookie.is_some() => None,
            Status::SignedIn if tab.core.token(now).is_none() => Some("it has no token"),
            Status::SignedIn if world.server.live(world.cookie).is_none() => {
                Some("it did not hear of the end")
            }
            _ => None,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 50_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_in_however_many_tabs(
        tabs in 1_usize..=4,
        no_channel in prop::bool::weighted(0.2),
        poll_while_hidden in any::<bool>(),
        seed in any::<u64>(),
        steps in prop::collection::vec(any::<[u16; 4]>(), 0..600).prop_map(Steps),
    ) {
        let rules = rules(tabs, !no_channel, poll_while_hidden);
        let mut world = World::new(Arc::clone(&rules), seed).expect("nothing has happened yet");
        let outcome = run(&mut world, &steps).and_then(|()| recover(&mut world));
        let wrong = match outcome {
            Err(violation) => Some(violation.to_string()),
            Ok(()) => unwell(&world).map(str::to_owned),
        };
        if let Some(wrong) = wrong {
            return Err(TestCaseError::fail(told(&rules, seed, &steps, &wrong)));
        }
    }
}
