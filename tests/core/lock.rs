use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::event::Event;
use fiftyten::message::Message;
use fiftyten::protocol::{Code, Reason};

use super::tabs::handover;
use super::world::{Answer, Lock, SIGNED_IN, World};

const HOUR: u64 = 3_600_000;

/// The poller's turn: another tab has the lock and keeps it.
fn due_and_locked_out() -> World {
    let mut world = World::signed_in();
    world.lock = Lock::Taken;
    world.run(51_000);
    assert_eq!(world.asking.len(), 1);
    assert_eq!(world.sent.len(), 1);
    world
}

#[test]
fn the_first_refresh_of_a_page_asks_for_no_lock() {
    let mut world = World::new();
    assert_eq!(world.holding, None);
    world.run(50);
    assert_eq!(world.holding, None);
}

#[test]
fn a_refresh_holds_the_lock_from_before_it_is_sent_until_it_is_answered() {
    let mut world = World::signed_in();
    world.next([(3_000, SIGNED_IN)]);
    world.run(51_000);
    assert_eq!(world.holding, world.refresh_in_flight());
    assert!(world.holding.is_some());
    world.run(3_000);
    assert_eq!(world.holding, None);
}

#[test]
fn the_lock_is_given_back_whatever_becomes_of_the_refresh() {
    for answer in [Answer::Status(503), Answer::Unreachable, Answer::Silence, Answer::Code(Code::NoSession)] {
        let mut world = World::signed_in();
        world.next([(100, answer)]);
        while world.holding.is_none() {
            world.run(50);
        }
        let holding = world.holding;
        // The time-out at the latest.
        world.run(4_000);
        assert_ne!(world.holding, holding);
    }
}

#[test]
fn the_others_are_told_of_a_new_token_before_the_lock_is_given_back() {
    let mut world = World::signed_in();
    world.told.clear();
    world.next([(100, SIGNED_IN)]);
    world.run(52_000);
    let [Message::Token(told)] = world.told.as_slice() else { panic!("{:?}", world.told) };
    assert_eq!(told.sent_at.since(world.now - Millis(world.elapsed())).0, world.sent[1].at);
    assert!(told.confirmed);
    let order = world.history();
    let told = order.iter().position(|entry| entry.starts_with("Tell(Token")).unwrap();
    let unlocked = order.iter().rposition(|entry| entry.starts_with("Unlock")).unwrap();
    assert!(told < unlocked);
}

#[test]
fn a_tab_that_is_handed_a_token_while_it_waits_for_the_lock_does_not_refresh() {
    let mut world = due_and_locked_out();
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now - Millis(100)))));
    assert_eq!(world.asking, []);
    assert_eq!(world.token().unwrap().remaining(now), Millis(59_900));
    world.lock = Lock::Free;
    world.run(49_000);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn whoever_waits_for_a_lock_that_never_comes_goes_ahead_within_its_bound() {
    for lock in [Lock::Taken, Lock::Missing] {
        for seed in 0..100 {
            let mut world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
            world.run(50);
            world.lock = lock;
            world.run(56_000);
            assert_eq!(world.sent.len(), 2, "{lock:?}, seed {seed}");
            // Due at 50 to 51 s; 3 s for the lock and up to 1 s of pause.
            assert!(world.sent[1].at <= 55_001, "{lock:?}: {}", world.sent[1].at);
            assert!(world.token().unwrap().remaining(world.now) > Millis(50_000));
        }
    }
}

#[test]
fn those_who_could_not_have_the_lock_go_ahead_one_after_the_other() {
    // The first of them.
    let mut world = due_and_locked_out();
    world.second = Lock::Free;
    world.run(3_100);
    assert_eq!(world.sent.len(), 2, "as soon as the wait for the first lock is over");
    assert_eq!(world.holding, None, "and the second is given back");
    // The next one is told before it has waited in vain.
    let mut world = due_and_locked_out();
    let first = world.asking[0];
    while world.asking == [first] {
        world.run(10);
    }
    assert_eq!(world.asking.len(), 1);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now - Millis(50)))));
    world.run(10_000);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.asking, []);
}

#[test]
fn without_locks_two_tabs_do_not_go_ahead_in_step() {
    let times: std::collections::BTreeSet<u64> = (0..20)
        .map(|seed| {
            let mut world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
            world.lock = Lock::Missing;
            world.run(60_000);
            world.sent[1].at
        })
        .collect();
    assert!(times.len() > 15, "{times:?}");
}

#[test]
fn a_held_request_waits_half_a_second_for_the_lock_and_a_quarter_more() {
    let mut world = World::signed_in();
    world.sleep(HOUR);
    world.lock = Lock::Taken;
    let held = world.hold();
    world.run(2_000);
    let waited = world.outcome(held).unwrap().0;
    assert!(world.got_token(held));
    assert!((550..=801).contains(&waited), "{waited} ms");
}

#[test]
fn a_request_that_comes_while_the_poller_waits_for_the_lock_shortens_the_wait() {
    let mut world = due_and_locked_out();
    world.sleep(1_000);
    world.sleep(8_000); // into the flight margin and past the deadline
    world.lock = Lock::Taken;
    let held = world.hold();
    world.run(1_000);
    assert!(world.got_token(held), "{:?}", world.outcome(held));
    assert_eq!(world.reasons()[1], Reason::Request);
}

#[test]
fn a_lock_that_is_granted_too_late_is_given_back() {
    let mut world = due_and_locked_out();
    let asked = world.asking[0];
    world.run(5_000);
    assert_eq!(world.sent.len(), 2, "it went ahead");
    world.holding = Some(asked);
    world.happen(Event::Locked(asked));
    assert_eq!(world.holding, None);
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_page_that_is_frozen_gives_everything_back_and_begins_nothing() {
    // While it waits for the lock.
    let mut world = due_and_locked_out();
    world.happen(Event::Frozen);
    assert_eq!(world.asking, []);
    world.lock = Lock::Free;
    world.happen(Event::Heard(Message::Active));
    world.run(HOUR);
    assert_eq!(world.sent.len(), 1, "nothing begins in a frozen page");
    world.happen(Event::Woken);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
    // While its refresh is in flight.
    let mut world = World::signed_in();
    world.next([(3_000, SIGNED_IN)]);
    world.run(51_000);
    assert!(world.holding.is_some());
    world.happen(Event::Frozen);
    assert_eq!(world.holding, None);
    assert!(world.refresh_in_flight().is_some(), "the answer is still welcome");
    world.run(3_000);
    assert!(world.token().unwrap().remaining(world.now) > Millis(50_000));
}

#[test]
fn whoever_waited_for_the_lock_listens_for_a_moment_before_it_refreshes() {
    let granted = |world: &mut World| {
        let id = world.asking.pop().unwrap();
        world.run(20);
        world.holding = Some(id);
        world.happen(Event::Locked(id));
    };
    // The token that the one before it got arrives after the lock.
    let mut world = due_and_locked_out();
    granted(&mut world);
    assert_eq!(world.sent.len(), 1, "not at once");
    world.run(40);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now - Millis(100)))));
    assert_eq!(world.holding, None);
    world.run(40_000);
    assert_eq!(world.sent.len(), 1);
    // It had none: a moment later it is this tab's turn, with the lock.
    let mut world = due_and_locked_out();
    granted(&mut world);
    world.usual = (200, SIGNED_IN);
    world.run(50);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.holding, world.refresh_in_flight());
    world.run(200);
    assert_eq!(world.holding, None);
    // Somebody who waits is not kept waiting.
    let mut world = due_and_locked_out();
    granted(&mut world);
    world.sleep(40);
    world.sleep(9_000);
    world.hold();
    assert_eq!(world.sent.len(), 2);
}
