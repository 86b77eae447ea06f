//! Every history of the small worlds: the core passes, and a core that is broken on purpose does not.

#![allow(clippy::print_stdout, reason = "how many states were visited is part of the result")]

use std::collections::BTreeSet;

use fiftyten::Mutation;
use fiftyten_world::explorer::Report;
use fiftyten_world::property::Property;
use fiftyten_world::rules::Broken;
use fiftyten_world::small;

fn long() -> bool {
    std::env::var_os("FIFTYTEN_LONG").is_some()
}

fn holds(name: &str) {
    let report = small::explore(name, long()).expect("there is such a world");
    println!("{report}");
    assert!(report.counterexample.is_none(), "{report}");
    assert!(!report.cut, "{report}");
}

macro_rules! worlds {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                holds($name);
            }
        )*

        #[test]
        fn each_world_has_a_test() {
            let tested = BTreeSet::from([$($name),*]);
            let there: BTreeSet<&str> = small::worlds(false).iter().map(|rules| rules.name).collect();
            assert_eq!(tested, there);
        }
    };
}

worlds! {
    whatever_the_server_answers_one_tab: "1 tab: answers",
    whatever_happens_to_a_first_page: "1 tab: first page",
    whatever_the_clocks_say: "1 tab: clocks",
    whatever_becomes_of_a_page: "1 tab: life",
    whoever_signs_in_and_out: "1 tab: accounts",
    however_many_401s_the_api_gives: "1 tab: 401s",
    however_often_a_page_wakes: "1 tab: storm",
    however_long_the_server_is_out: "1 tab: outage",
    whatever_becomes_of_the_tab_with_the_lock: "2 tabs: the lock",
    where_there_are_no_locks: "2 tabs: no locks",
    where_there_are_no_channels: "2 tabs: no channel",
    whatever_two_tabs_do_that_poll_while_hidden: "2 tabs: hidden",
    whoever_signs_in_and_out_in_another_tab: "2 tabs: accounts",
    whatever_two_tabs_sleep_through: "2 tabs: sleep",
    however_the_clock_is_set_back_while_a_tab_stands_still: "2 tabs: set back",
    whatever_becomes_of_one_of_three_tabs: "3 tabs: the lock",
    whoever_signs_in_and_out_in_one_of_three_tabs: "3 tabs: accounts",
    whatever_three_tabs_do_not_hear: "3 tabs: letters",
}

/// What is broken, where it is looked for, and which property it breaks.
const BROKEN: [(Broken, &str, Property); 30] = {
    use Broken::{Core, DatesLate, ForgetsSetBack, MonoOnly, WallOnly};
    [
        (Core(Mutation::GateIgnoresDeadline), "1 tab: clocks", Property::NoStaleRequest),
        (Core(Mutation::CountsFromAnswer), "1 tab: clocks", Property::NoStaleRequest),
        (Core(Mutation::CountsFromReceipt), "2 tabs: sleep", Property::NoStaleRequest),
        (WallOnly, "1 tab: clocks", Property::NoStaleRequest),
        (MonoOnly, "1 tab: clocks", Property::NoStaleRequest),
        (ForgetsSetBack, "2 tabs: set back", Property::NoStaleRequest),
        (DatesLate, "1 tab: accounts", Property::RevokedWithinSixtySeconds),
        (Core(Mutation::SecondRefresh), "1 tab: answers", Property::OneRefreshPerTab),
        (Core(Mutation::TakesNoLock), "2 tabs: the lock", Property::OneRefreshPerBrowser),
        (Core(Mutation::NoRecheck), "2 tabs: the lock", Property::OneRefreshPerCycle),
        (Core(Mutation::WaiterOfAnyUser), "1 tab: accounts", Property::NobodyElsesToken),
        (Core(Mutation::ErrorEndsSession), "1 tab: answers", Property::OneCausePerSignOut),
        (Core(Mutation::EndCountsForAny), "1 tab: answers", Property::NoFalseSignOut),
        (Core(Mutation::EndsTwice), "1 tab: accounts", Property::OneCausePerSignOut),
        (Core(Mutation::SettlesTwice), "1 tab: clocks", Property::SettledOnce),
        (Core(Mutation::ForgetsWaiter), "1 tab: outage", Property::SettledInTime),
        (Core(Mutation::WaitsForEver), "2 tabs: the lock", Property::OthersDelayNobody),
        (Core(Mutation::KeepsLock), "1 tab: life", Property::NoLockIsKept),
        (Core(Mutation::DropsToken), "1 tab: answers", Property::LiveTokenIsKept),
        (Core(Mutation::LateAnswerCounts), "1 tab: answers", Property::LateAnswerChangesNothing),
        (Core(Mutation::LivesAfterClose), "1 tab: life", Property::NothingAfterClose),
        (Core(Mutation::ForcesWithoutLimit), "1 tab: 401s", Property::OneForcedRefreshPerTenSeconds),
        (Core(Mutation::MissesTimeout), "1 tab: answers", Property::NoDeadlineInThePast),
        (Core(Mutation::NoBudget), "1 tab: storm", Property::AttemptsAreBounded),
        (Core(Mutation::IgnoresRetryAfter), "1 tab: answers", Property::RetryAfterIsHonoured),
        (Core(Mutation::RestoresUnasked), "1 tab: life", Property::AsTheReferenceSays),
        (Core(Mutation::BelievesAnyToken), "2 tabs: accounts", Property::AsTheReferenceSays),
        (Core(Mutation::KeepsToken), "2 tabs: the lock", Property::OneRefreshPerCycle),
        (Core(Mutation::KeepsEnd), "2 tabs: accounts", Property::EndsReachTheOthers),
        (Core(Mutation::LeavesLockEarly), "2 tabs: the lock", Property::OneRefreshPerBrowser),
    ]
};

#[test]
fn whatever_is_broken_is_found() {
    let mut wrong = Vec::new();
    for (broken, world, property) in BROKEN {
        let report: Report = small::explore_broken(world, broken, property).expect("there is such a world");
        let found = report.counterexample.as_ref().map(|found| found.violation.property);
        match &report.counterexample {
            Some(found) => {
                let name = format!("{broken:?}");
                println!(
                    "{name:28} {world:18} {:3} steps, {:7} states: {}",
                    found.steps, report.states, found.violation.property
                );
            }
            None => println!("{broken:?} is not found: {report}"),
        }
        if found != Some(property) {
            wrong.push(format!("{broken:?}, expected {property:?}: {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_mutation_is_looked_for_and_each_property_can_fail() {
    let mutations: BTreeSet<Mutation> = BROKEN
        .iter()
        .filter_map(|(broken, _, _)| match broken {
            Broken::Core(mutation) => Some(*mutation),
            _ => None,
        })
        .collect();
    assert_eq!(mutations, BTreeSet::from(Mutation::ALL));
    let properties: BTreeSet<Property> = BROKEN.iter().map(|(_, _, property)| *property).collect();
    assert_eq!(properties, BTreeSet::from(Property::ALL));
}
