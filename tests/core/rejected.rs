use fiftyten::action::{Settled, WaiterId};
use fiftyten::clock::{Clock, Reading};
use fiftyten::event::Event;
use fiftyten::protocol::{Code, Reason};
use fiftyten::session::{Rejection, Status};
use fiftyten::token::Serial;

use super::world::{Answer, SIGNED_IN, World};

fn waiter(rejection: Rejection) -> WaiterId {
    match rejection {
        Rejection::Wait(id) => id,
        other => panic!("it should wait: {other:?}"),
    }
}

#[test]
fn a_401_to_the_current_token_means_one_refresh_and_one_replay() {
    let mut world = World::signed_in();
    let carried = world.serial();
    let id = waiter(world.rejected(carried));
    assert_eq!(world.reasons(), [Reason::Start, Reason::Rejected]);
    world.run(50);
    assert!(world.got_token(id));
    assert!(world.serial() > carried);
}

#[test]
fn a_hundred_401s_at_once_mean_one_refresh() {
    let mut world = World::signed_in();
    let carried = world.serial();
    let ids: Vec<WaiterId> = (0..100).map(|_| waiter(world.rejected(carried))).collect();
    world.run(50);
    assert!(ids.iter().all(|&id| world.got_token(id)));
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_401_to_a_token_that_was_renewed_meanwhile_is_replayed_without_a_refresh() {
    let mut world = World::signed_in();
    let carried = world.serial();
    world.run(55_000);
    let sent = world.sent.len();
    let newest = world.serial();
    match world.rejected(carried) {
        Rejection::Replay(token) => assert_eq!(token.serial(), newest),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.sent.len(), sent);
}

#[test]
fn an_api_that_answers_401_to_everything_forces_one_refresh_in_ten_seconds() {
    let mut world = World::signed_in();
    let from = world.elapsed();
    for _ in 0..600 {
        let carried = world.serial();
        let _ = world.rejected(carried);
        world.run(100);
    }
    let forced: Vec<u64> =
        world.sent.iter().filter(|s| s.reason == Reason::Rejected).map(|s| s.at - from).collect();
    assert!(forced.len() <= 6, "{forced:?}");
    assert!(forced.windows(2).all(|pair| pair[1] - pair[0] >= 10_000), "{forced:?}");
}

#[test]
fn the_second_401_in_ten_seconds_is_handed_over() {
    let mut world = World::signed_in();
    let carried = world.serial();
    waiter(world.rejected(carried));
    world.run(1_000);
    let carried = world.serial();
    assert_eq!(world.rejected(carried), Rejection::Surface);
}

#[test]
fn if_the_forced_refresh_fails_the_401_is_handed_over_and_the_token_is_kept() {
    let mut world = World::signed_in();
    let carried = world.serial();
    world.next([(50, Answer::Status(500))]);
    let id = waiter(world.rejected(carried));
    world.run(50);
    assert!(matches!(world.outcome(id), Some((50, Settled::Failed(..)))));
    assert_eq!(world.serial(), carried);
    assert_eq!(world.gate(), Some(Some(carried)));
}

#[test]
fn while_refreshing_fails_a_401_is_handed_over_at_once() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Status(503));
    world.run(52_000);
    let carried = world.serial();
    if world.refresh_in_flight().is_none() {
        assert_eq!(world.rejected(carried), Rejection::Surface);
    } else {
        panic!("the answer takes 10 ms: nothing is in flight at this time");
    }
}

#[test]
fn a_401_during_a_refresh_waits_for_that_one() {
    let mut world = World::signed_in();
    let carried = world.serial();
    world.next([(500, SIGNED_IN)]);
    world.run(49_000);
    while world.refresh_in_flight().is_none() {
        world.run(10);
    }
    let id = waiter(world.rejected(carried));
    world.run(500);
    assert!(world.got_token(id));
    assert_eq!(world.reasons(), [Reason::Start, Reason::Timer]);
}

#[test]
fn a_401_to_the_token_of_another_user_is_handed_over() {
    let mut world = World::signed_in();
    let carried = world.serial();
    world.sign_in(50, Answer::Token("s2", "grace"));
    world.run(50);
    assert_eq!(world.session.account().unwrap().user, "grace");
    assert_eq!(world.rejected(carried), Rejection::Surface);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn if_the_session_has_ended_the_401_is_handed_over_and_the_page_knows() {
    let mut world = World::signed_in();
    let carried = world.serial();
    world.next([(50, Answer::Ended(Code::SessionRevoked, "s1"))]);
    let id = waiter(world.rejected(carried));
    world.run(50);
    assert!(matches!(world.outcome(id), Some((_, Settled::Failed(..)))));
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.rejected(carried), Rejection::Surface);
}

#[test]
fn a_401_after_a_clock_that_sleep_and_its_user_fooled_is_cured_by_one_refresh() {
    // The machine slept, which stopped the one clock, and the other was set back by as much: the
    // client thinks that the token lives, the API knows better.
    const HOUR: u64 = 3_600_000;
    let mut world = World::signed_in();
    let mut clock = Clock::new(Reading { mono: 0, wall: 48 * HOUR });
    let before = clock.now(Reading { mono: 1_000, wall: 48 * HOUR + 1_000 });
    let after = clock.now(Reading { mono: 1_500, wall: 48 * HOUR + 1_500 });
    world.run(after.since(before).0);
    let carried = world.serial();
    assert_eq!(world.gate(), Some(Some(carried)), "no clock knows of the hour that has passed");
    let id = waiter(world.rejected(carried));
    world.run(50);
    assert!(world.got_token(id));
}

#[test]
fn a_401_without_a_session_is_handed_over() {
    let mut world = World::new();
    assert_eq!(world.rejected(Serial(0)), Rejection::Surface);
    world.happen(Event::Close);
    assert_eq!(world.rejected(Serial(1)), Rejection::Surface);
}

#[test]
fn a_refresh_that_a_401_forced_is_not_forced_again_when_the_page_comes_back() {
    let mut world = World::signed_in();
    let id = waiter(world.rejected(world.serial()));
    world.happen(Event::PutAway);
    world.happen(Event::Restored);
    world.run(50);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Rejected, Reason::Wake]);
    assert!(world.got_token(id));
}

#[test]
fn a_forced_refresh_that_a_frozen_page_kept_waiting_counts_from_when_it_leaves() {
    let mut world = World::signed_in();
    world.happen(Event::Frozen);
    let id = waiter(world.rejected(world.serial()));
    // The same refresh will answer it too.
    let other = waiter(world.rejected(world.serial()));
    world.run(9_000);
    assert!(world.forced_at().is_empty());
    world.happen(Event::Shown);
    world.run(1_500);
    assert_eq!(world.forced_at(), [9_050]);
    assert!(world.got_token(id) && world.got_token(other));
    assert_eq!(world.rejected(world.serial()), Rejection::Surface);
    world.run(8_500);
    waiter(world.rejected(world.serial()));
    assert_eq!(world.forced_at(), [9_050, 19_050]);
}
