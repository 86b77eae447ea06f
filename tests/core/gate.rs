use fiftyten::action::Settled;
use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::error::{ErrorCode, Failure};
use fiftyten::event::Event;
use fiftyten::protocol::{Code, Reason};
use fiftyten::session::Status;

use super::world::{Answer, SIGNED_IN, World};

/// Until just before renewal, with the poller asleep.
fn hidden_at(ms: u64) -> World {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.run(ms - 50);
    world
}

#[test]
fn a_fresh_token_goes_along_at_once() {
    let mut world = hidden_at(49_999);
    assert!(matches!(world.gate(), Some(Some(_))));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn an_overdue_token_goes_along_while_one_refresh_begins_behind_it() {
    let mut world = hidden_at(51_000);
    for _ in 0..100 {
        assert!(matches!(world.gate(), Some(Some(_))));
    }
    assert_eq!(world.reasons(), [Reason::Start, Reason::Timer]);
}

#[test]
fn a_token_that_might_expire_on_the_way_is_not_sent() {
    // 2 s of flight margin: a fifth of the slack of 10 s.
    assert!(matches!(hidden_at(57_999).gate(), Some(Some(_))));
    assert_eq!(hidden_at(58_000).gate(), None);
}

#[test]
fn where_refreshing_fails_a_token_is_used_to_its_last_moment_and_no_longer() {
    let mut world = hidden_at(51_000);
    world.usual = (10, Answer::Status(503));
    world.gate();
    world.run(8_999);
    assert!(matches!(world.gate(), Some(Some(_))), "1 ms is left");
    world.run(1);
    assert_eq!(world.gate(), None);
}

#[test]
fn a_request_held_in_the_margin_goes_with_the_old_token_if_the_refresh_fails() {
    let mut world = hidden_at(58_500);
    world.next([(100, Answer::Status(500))]);
    let held = world.hold();
    world.run(100);
    assert_eq!(world.outcome(held).unwrap().0, 100);
    assert!(world.got_token(held));
}

#[test]
fn a_held_request_waits_ten_seconds_and_no_longer() {
    let mut world = World::with(Config::default(), [], (0, Answer::Silence));
    let held = world.hold();
    world.run(9_999);
    assert_eq!(world.outcome(held), None);
    world.run(1);
    let timeout = Settled::Failed(ErrorCode::Timeout, Some(Failure::Timeout));
    assert_eq!(world.outcome(held), Some((10_000, &timeout)));
}

#[test]
fn the_limit_counts_for_each_request_from_when_it_was_made() {
    let mut world = World::with(Config::default(), [], (0, Answer::Silence));
    let first = world.hold();
    world.run(5_000);
    let second = world.hold();
    world.run(5_000);
    assert!(world.outcome(first).is_some());
    assert!(world.outcome(second).is_none());
    world.run(5_000);
    assert_eq!(world.outcome(second).unwrap().0, 10_000);
}

#[test]
fn a_request_that_is_given_up_is_not_settled_and_disturbs_nobody() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    let (given_up, kept) = (world.hold(), world.hold());
    world.give_up(given_up);
    world.run(1_000);
    assert_eq!(world.outcome(given_up), None);
    assert!(world.got_token(kept));
}

#[test]
fn a_request_held_for_a_session_that_ends_is_not_sent() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, Answer::Ended(Code::SessionRevoked, "s1"))]);
    let held = world.hold();
    world.run(50);
    assert_eq!(world.outcome(held), Some((50, &Settled::Failed(ErrorCode::SignedOut, None))));
    assert_eq!(world.session.status(), Status::SignedOut);
}

#[test]
fn a_request_held_for_one_user_never_leaves_with_anothers_token() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, Answer::Token("s2", "grace"))]);
    let held = world.hold();
    world.run(50);
    assert_eq!(world.outcome(held), Some((50, &Settled::Failed(ErrorCode::SessionChanged, None))));
    assert_eq!(world.session.account().unwrap().user, "grace");
}

#[test]
fn a_request_held_for_a_user_goes_with_the_token_of_the_same_users_next_session() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, Answer::Token("s2", "ada"))]);
    let held = world.hold();
    world.run(50);
    assert!(world.got_token(held));
}

#[test]
fn a_server_that_wants_more_patience_than_a_request_has_fails_it_at_once() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, Answer::Later(503, 30_000))]);
    let held = world.hold();
    world.run(50);
    let Some((50, Settled::Later(Some(Failure::Status(503)), wait))) = world.outcome(held) else {
        panic!("{:?}", world.outcome(held))
    };
    assert!((Millis(30_000)..=Millis(33_000)).contains(wait), "{wait:?}");
    let next = world.hold();
    assert!(matches!(world.outcome(next), Some((0, Settled::Later(..)))));
}

#[test]
fn a_server_that_wants_a_moment_of_patience_gets_it() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, Answer::Later(429, 3_000))]);
    let held = world.hold();
    world.run(5_000);
    assert!(world.got_token(held));
    let waited = world.outcome(held).unwrap().0;
    assert!((3_000..=3_500).contains(&waited), "{waited} ms");
}

#[test]
fn a_refused_origin_fails_held_requests_at_once_and_the_session_stands() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.usual = (50, Answer::Code(Code::OriginRejected));
    let held = world.hold();
    world.run(50);
    let refused = Settled::Failed(ErrorCode::OriginRejected, Some(Failure::OriginRejected));
    assert_eq!(world.outcome(held), Some((50, &refused)));
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn a_hundred_thousand_held_requests_cost_no_more_each_than_one() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    let held = world.hold_many(100_000);
    for id in held.iter().rev().step_by(2) {
        world.give_up(*id);
    }
    world.run(50);
    assert_eq!(held.iter().filter(|&&id| world.got_token(id)).count(), 50_000);
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_slow_link_does_not_outlive_the_token() {
    // A refresh that takes 3.9 s each time, a request every 100 ms for ten minutes.
    let mut world = World::with(Config::default(), [], (3_900, SIGNED_IN));
    world.run(3_900);
    for _ in 0..6_000 {
        world.run(100);
        assert!(matches!(world.gate(), Some(Some(_))));
        assert!(world.token().unwrap().remaining(world.now) > Millis(2_000));
    }
}
