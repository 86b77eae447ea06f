use fiftyten::action::{Notice, Settled};
use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::error::ErrorCode;
use fiftyten::event::{EndReason, Event};
use fiftyten::protocol::{Code, Reason, SessionRef};
use fiftyten::session::Status;

use super::world::{Answer, SIGNED_IN, Sent, World};

#[test]
fn the_first_refresh_goes_out_at_once() {
    let world = World::new();
    assert_eq!(world.sent, [Sent { at: 0, reason: Reason::Start, active: false }]);
    assert_eq!(world.session.status(), Status::Loading);
}

#[test]
fn a_session_that_stands_is_signed_in_by_the_first_answer() {
    let mut world = World::new();
    world.run(100);
    assert_eq!(world.session.status(), Status::SignedIn);
    assert_eq!(world.ready_at, Some(50));
    let account = SessionRef { id: "s1".to_owned(), user: "ada".to_owned() };
    assert_eq!(world.session.account(), Some(&account));
    assert_eq!(
        world.notices,
        [
            Notice::SignedIn(account),
            Notice::Refreshed { reason: Some(Reason::Start), took: Millis(50), expires_in: Millis(59_950) },
        ]
    );
}

#[test]
fn without_a_session_it_is_signed_out_and_asks_no_more() {
    let mut world = World::with(Config::default(), [], (50, Answer::Code(Code::NoSession)));
    world.run(3_600_000);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.ready_at, Some(50));
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.session.poll_timeout(), None);
}

#[test]
fn ready_waits_four_seconds_for_a_server_that_is_silent_and_no_longer() {
    let mut world = World::with(Config::default(), [], (0, Answer::Silence));
    world.run(60_000);
    assert_eq!(world.ready_at, Some(4_000));
    assert_eq!(world.session.status(), Status::Loading);
}

#[test]
fn a_server_that_comes_back_is_found_without_being_asked() {
    let mut world = World::with(Config::default(), [], (5, Answer::Unreachable));
    world.run(600_000);
    assert_eq!(world.session.status(), Status::Loading);
    world.usual = (5, SIGNED_IN);
    world.run(60_000);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn a_page_opened_in_the_background_gets_its_first_answer_too() {
    let mut world = World::with(Config::default(), [(10, Answer::Unreachable)], (10, SIGNED_IN));
    world.happen(Event::Hidden);
    world.run(5_000);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn requests_made_before_the_first_answer_wait_for_it() {
    let mut world = World::new();
    assert_eq!(world.gate(), None);
    let early = world.hold_many(3);
    world.run(50);
    assert!(early.iter().all(|&id| world.got_token(id)));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn requests_made_before_it_is_known_that_nobody_is_signed_in_go_out_without_a_token() {
    let mut world = World::with(Config::default(), [], (50, Answer::Code(Code::NoSession)));
    let early = world.hold();
    world.run(50);
    assert_eq!(world.outcome(early), Some((50, &Settled::Anonymous)));
    assert_eq!(world.gate(), Some(None));
}

#[test]
fn a_request_that_finds_the_session_closed_fails_as_closed() {
    let mut world = World::new();
    world.happen(Event::Close);
    let late = world.hold();
    assert_eq!(world.outcome(late), Some((0, &Settled::Failed(ErrorCode::Closed, None))));
}
