//! The small worlds that are explored to their end, and what is broken to see that each is watched.

use crate::act::Act;
use crate::explorer::{Report, explore_rules};
use crate::property::Property;

use crate::rules::{Broken, Rules, UNLIMITED};
use crate::server::Fate;

/// A day, in ms.
const DAY: i64 = 86_400_000;

/// No world is explored further than this.
pub const LIMIT: u64 = 40_000_000;

/// A moment before renewal, so that a history is about what matters.
const BEFORE_RENEWAL: u64 = 49_000;

/// All of them; in the long form the environment has more turns.
#[must_use]
pub fn worlds(long: bool) -> Vec<Rules> {
    let more = u32::from(long);
    vec![
        Rules {
            name: "1 tab: answers",
            start: BEFORE_RENEWAL,
            horizon: 75_000,
            acts: vec![Act::Request(0), Act::Wake(0)],
            turns: 2,
            fates: Fate::BAD.to_vec(),
            late: true,
            faults: 2 + more,
            ..one()
        },
        Rules {
            name: "1 tab: first page",
            horizon: 12_000,
            acts: vec![
                Act::Kill(0),
                Act::Open(0),
                Act::Request(0),
                Act::SignIn(0, 1),
                Act::SignOut(0),
                Act::Expire,
                Act::Hide(0),
                Act::Show(0),
            ],
            turns: 4 + more,
            fates: Fate::BAD.to_vec(),
            late: true,
            faults: 1 + more,
            ..one()
        },
        Rules {
            name: "1 tab: clocks",
            horizon: 63_000,
            marks: vec![30_000, 59_900, 60_000],
            acts: vec![
                Act::Request(0),
                Act::Hide(0),
                Act::Show(0),
                Act::Sleep(9_000),
                Act::Sleep(70_000),
                Act::Jump(-DAY),
                Act::Jump(DAY),
            ],
            turns: 3 + more,
            fates: vec![Fate::SlowAnswer, Fate::Unreachable],
            faults: 1,
            ..one()
        },
        Rules {
            name: "1 tab: life",
            start: BEFORE_RENEWAL,
            horizon: 70_000,
            marks: vec![60_000, 64_000],
            acts: vec![
                Act::Request(0),
                Act::Hide(0),
                Act::Show(0),
                Act::Freeze(0),
                Act::Resume(0),
                Act::Stop(0),
                Act::Continue(0),
                Act::PutAway(0),
                Act::Restore(0),
                Act::Close(0),
            ],
            turns: 3 + more,
            fates: vec![Fate::SlowAnswer, Fate::Hang, Fate::Error],
            throttle: true,
            late: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "1 tab: accounts",
            start: BEFORE_RENEWAL,
            horizon: 63_000,
            marks: vec![60_000],
            acts: vec![
                Act::Request(0),
                Act::GiveUp(0),
                Act::SignIn(0, 1),
                Act::SignOut(0),
                Act::Revoke,
                Act::LoseCookie,
                Act::Sleep(12_000),
                Act::Close(0),
            ],
            turns: 3,
            fates: if long {
                Fate::BAD.to_vec()
            } else {
                vec![Fate::SlowServer, Fate::Hang, Fate::Garbage, Fate::Another]
            },
            late: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "1 tab: 401s",
            horizon: 25_000,
            marks: vec![5_000, 10_000, 10_400],
            acts: vec![Act::Request(0), Act::Rejected(0), Act::Freeze(0), Act::Resume(0)],
            turns: 5 + more,
            fates: vec![Fate::SlowAnswer, Fate::Error, Fate::Later],
            late: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "1 tab: storm",
            start: 49_900,
            horizon: 51_500,
            acts: vec![Act::Wake(0)],
            turns: UNLIMITED,
            always: Some(Fate::Unreachable),
            ..one()
        },
        Rules {
            name: "1 tab: outage",
            start: 49_900,
            horizon: 75_000,
            marks: vec![57_000],
            acts: vec![Act::Request(0), Act::GiveUp(0), Act::Wake(0), Act::SignOut(0)],
            turns: 2 + more,
            always: Some(Fate::Hang),
            ..one()
        },
        Rules {
            name: "2 tabs: the lock",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 66_000,
            acts: vec![
                Act::Request(0),
                Act::Request(1),
                Act::Freeze(0),
                Act::Resume(0),
                Act::Stop(0),
                Act::Continue(0),
                Act::Kill(0),
                Act::ToggleLocks,
            ],
            turns: 2 + more,
            fates: vec![Fate::SlowAnswer, Fate::Hang],
            letters: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: no locks",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 66_000,
            acts: vec![Act::Request(0), Act::Stop(0), Act::Continue(0), Act::Hide(1), Act::Show(1)],
            turns: 2 + more,
            fates: vec![Fate::SlowAnswer, Fate::Hang],
            letters: true,
            locks: false,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: no channel",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 62_000,
            acts: vec![
                Act::Request(0),
                Act::Request(1),
                Act::SignIn(0, 1),
                Act::SignOut(0),
                Act::Stop(0),
                Act::Continue(0),
            ],
            turns: 2 + more,
            fates: vec![Fate::SlowAnswer, Fate::Hang],
            channel: false,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: hidden",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 66_000,
            acts: vec![
                Act::Hide(0),
                Act::Hide(1),
                Act::Show(0),
                Act::Freeze(0),
                Act::Kill(0),
                Act::Request(1),
            ],
            turns: 3 + more,
            fates: vec![Fate::Hang],
            poll_while_hidden: true,
            letters: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: accounts",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 62_000,
            acts: vec![
                Act::SignIn(0, 1),
                Act::SignOut(0),
                Act::Revoke,
                Act::Request(1),
                Act::Sleep(15_000),
                Act::PutAway(1),
                Act::Restore(1),
            ],
            turns: 2,
            fates: if long { vec![Fate::SlowAnswer, Fate::Hang] } else { vec![] },
            letters: true,
            late: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: sleep",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 56_000,
            acts: vec![
                Act::Sleep(70_000),
                Act::Jump(-DAY),
                Act::Stop(1),
                Act::Continue(1),
                Act::Kill(0),
                Act::Request(0),
                Act::Request(1),
            ],
            turns: 2 + more,
            letters: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "2 tabs: set back",
            tabs: 2,
            start: BEFORE_RENEWAL,
            horizon: 116_000,
            marks: vec![75_000, 112_000],
            acts: vec![Act::Stop(1), Act::Continue(1), Act::Jump(-20_000), Act::Request(1)],
            turns: 4 + more,
            jitter: false,
            ..one()
        },
        Rules {
            name: "3 tabs: the lock",
            tabs: 3,
            start: 50_000,
            horizon: 58_000,
            acts: vec![Act::Freeze(0), Act::Stop(0), Act::Kill(0), Act::Request(2), Act::Request(1)],
            turns: 2 + more,
            fates: vec![Fate::Hang],
            letters: true,
            faults: 1,
            ..one()
        },
        Rules {
            name: "3 tabs: accounts",
            tabs: 3,
            start: 50_000,
            horizon: 53_000,
            acts: if long {
                vec![
                    Act::SignIn(0, 1),
                    Act::SignIn(1, 2),
                    Act::SignOut(2),
                    Act::Request(2),
                    Act::Sleep(12_000),
                ]
            } else {
                vec![Act::SignIn(0, 1), Act::SignOut(2), Act::Request(2)]
            },
            turns: 2,
            ..one()
        },
        Rules {
            name: "3 tabs: letters",
            tabs: 3,
            start: 50_000,
            horizon: 53_000,
            acts: vec![Act::SignIn(0, 1), Act::SignOut(2), Act::Request(2)],
            turns: 1 + more,
            letters: true,
            faults: 1,
            ..one()
        },
    ]
}

/// What they have in common.
fn one() -> Rules {
    Rules { jitter: true, ..Rules::default() }
}

/// Explores the world of this name.
#[must_use]
pub fn explore(name: &str, long: bool) -> Option<Report> {
    Some(explore_rules(world(name, long)?, LIMIT))
}

/// Explores it with something broken, to see this property fail. All but one have to be seen to stand
/// by themselves, without the reference model.
#[must_use]
pub fn explore_broken(name: &str, broken: Broken, property: Property) -> Option<Report> {
    let reference = property == Property::AsTheReferenceSays;
    Some(explore_rules(Rules { broken: Some(broken), reference, ..world(name, false)? }, LIMIT))
}

fn world(name: &str, long: bool) -> Option<Rules> {
    worlds(long).into_iter().find(|rules| rules.name == name)
}
