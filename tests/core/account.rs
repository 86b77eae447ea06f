use fiftyten::action::{Notice, Settled};
use fiftyten::config::Config;
use fiftyten::error::ErrorCode;
use fiftyten::event::{EndReason, Event};
use fiftyten::message::Message;
use fiftyten::protocol::{Code, Reason};
use fiftyten::session::Status;

use super::tabs::handover;
use super::world::{Answer, SIGNED_IN, World};

fn signed_out() -> World {
    let mut world = World::with(Config::default(), [(10, Answer::Code(Code::NoSession))], (50, SIGNED_IN));
    world.run(10);
    assert_eq!(world.session.status(), Status::SignedOut);
    world.notices.clear();
    world
}

#[test]
fn signing_in_brings_the_first_token_and_starts_the_cycle() {
    let mut world = signed_out();
    let id = world.sign_in(80, SIGNED_IN);
    world.run(80);
    assert_eq!(world.finished, [(id, Ok(()))]);
    assert_eq!(world.session.status(), Status::SignedIn);
    assert!(matches!(world.notices.as_slice(), [Notice::SignedIn(account)] if account.user == "ada"));
    world.run(52_000);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Timer]);
}

#[test]
fn a_refused_sign_in_says_why_and_changes_nothing() {
    for (answer, code) in [
        (Answer::Code(Code::InvalidCredentials), ErrorCode::InvalidCredentials),
        (Answer::Code(Code::RateLimited), ErrorCode::RateLimited),
        (Answer::Code(Code::Overloaded), ErrorCode::Unavailable),
        (Answer::Code(Code::OriginRejected), ErrorCode::OriginRejected),
        (Answer::Code(Code::BadRequest), ErrorCode::BadRequest),
        (Answer::Garbage, ErrorCode::UnexpectedAnswer),
        (Answer::Unreachable, ErrorCode::Network),
    ] {
        let mut world = signed_out();
        world.sign_in(80, answer);
        world.run(80);
        let (_, result) = &world.finished[0];
        assert_eq!(result.as_ref().unwrap_err().code, code);
        assert_eq!(world.session.status(), Status::SignedOut);
        assert_eq!(world.notices, []);
    }
}

#[test]
fn a_sign_in_without_an_answer_ends_after_ten_seconds() {
    let mut world = signed_out();
    world.sign_in(0, Answer::Silence);
    world.run(10_000);
    assert_eq!(world.finished[0].1.as_ref().unwrap_err().code, ErrorCode::Timeout);
    world.sign_in(10, SIGNED_IN);
    world.run(10);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn only_one_sign_in_or_sign_out_at_a_time() {
    let mut world = signed_out();
    world.sign_in(100, SIGNED_IN);
    assert_eq!(world.session.sign_in(world.now), Err(ErrorCode::Busy));
    assert_eq!(world.session.sign_out(world.now), Err(ErrorCode::Busy));
    world.run(100);
    world.sign_out(100, Answer::NoContent);
    assert_eq!(world.session.sign_out(world.now), Err(ErrorCode::Busy));
    assert_eq!(world.session.sign_in(world.now), Err(ErrorCode::Busy));
}

#[test]
fn signing_in_as_another_user_fails_what_was_held_for_the_first() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(0, Answer::Silence)]);
    let held = world.hold();
    world.sign_in(30, Answer::Token("s2", "grace"));
    world.run(30);
    assert_eq!(world.outcome(held), Some((30, &Settled::Failed(ErrorCode::SessionChanged, None))));
    assert_eq!(world.session.account().unwrap().id, "s2");
}

#[test]
fn a_sign_in_supersedes_the_refresh_in_flight() {
    let mut world = World::signed_in();
    world.next([(3_000, SIGNED_IN)]);
    world.run(51_000);
    let refresh = world.refresh_in_flight().unwrap();
    world.sign_in(10, Answer::Token("s2", "grace"));
    world.run(10);
    assert_eq!(world.refresh_in_flight(), None, "it was aborted");
    world.answer(refresh, &SIGNED_IN);
    assert_eq!(world.session.account().unwrap().user, "grace");
}

#[test]
fn the_end_of_the_session_that_a_sign_in_replaces_is_not_a_sign_out() {
    let mut world = World::signed_in();
    world.next([(1_000, Answer::Ended(Code::SessionRevoked, "s1"))]);
    world.run(51_000);
    assert!(world.refresh_in_flight().is_some());
    world.sign_in(3_000, Answer::Token("s2", "ada"));
    world.run(5_000);
    assert_eq!(world.signed_out(), []);
    assert_eq!(world.session.account().unwrap().id, "s2");
}

#[test]
fn a_sign_in_ends_the_trouble_that_the_application_was_told_of() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Unreachable);
    world.run(55_000);
    let told = |world: &World, recovered: bool| {
        let is = |n: &&Notice| match n {
            Notice::Degraded { .. } => !recovered,
            Notice::Recovered { .. } => recovered,
            _ => false,
        };
        world.notices.iter().filter(is).count()
    };
    assert_eq!((told(&world, false), told(&world, true)), (1, 0));
    world.usual = (10, SIGNED_IN);
    world.sign_in(10, Answer::Token("s2", "ada"));
    world.run(20);
    assert_eq!((told(&world, false), told(&world, true)), (1, 1));
}

#[test]
fn trouble_that_the_application_was_not_told_of_does_not_end() {
    let mut world = signed_out();
    world.next([(10, Answer::Status(503)), (10, Answer::Token("s2", "ada"))]);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s2", "ada", now))));
    world.run(60_000);
    assert_eq!(world.session.status(), Status::SignedIn);
    assert!(world.notices.iter().all(|n| !matches!(n, Notice::Degraded { .. } | Notice::Recovered { .. })));
}

#[test]
fn signing_out_withholds_the_token_at_once() {
    let mut world = World::signed_in();
    world.sign_out(200, Answer::NoContent);
    assert_eq!(world.gate(), Some(None));
    assert_eq!(world.token(), None);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.signed_out(), [], "it is not told before it is true");
    world.run(200);
    assert_eq!(world.signed_out(), [EndReason::SignedOut]);
    assert!(world.finished[0].1.is_ok());
}

#[test]
fn a_call_that_ran_out_while_the_page_slept_keeps_nobody_from_the_next() {
    let mut world = World::signed_in();
    let first = world.sign_out(100, Answer::Silence);
    world.sleep(3_600_000);
    let second = world.sign_out(100, Answer::NoContent);
    world.run(100);
    assert_eq!(world.finished[0].0, first);
    assert_eq!(world.finished[0].1.as_ref().unwrap_err().code, ErrorCode::Timeout);
    assert_eq!(world.finished[1], (second, Ok(())));

    let mut world = World::signed_in();
    world.sign_in(100, Answer::Silence);
    world.sleep(3_600_000);
    let second = world.sign_in(100, Answer::Token("s2", "grace"));
    world.run(100);
    assert_eq!(world.finished[1], (second, Ok(())));
}

#[test]
fn a_sign_out_that_the_server_does_not_hear_of_is_taken_back() {
    for answer in [Answer::Unreachable, Answer::Status(503), Answer::Status(429), Answer::Silence] {
        let mut world = World::signed_in();
        let serial = world.serial();
        world.sign_out(100, answer);
        world.run(10_000);
        assert!(world.finished[0].1.is_err());
        assert_eq!(world.session.status(), Status::SignedIn);
        assert_eq!(world.gate(), Some(Some(serial)));
        assert_eq!(world.signed_out(), []);
    }
}

#[test]
fn a_sign_out_that_a_portal_answers_with_its_own_page_is_taken_back() {
    let mut world = World::signed_in();
    let call = world.sign_out(100, Answer::Garbage);
    world.run(100);
    let refusal = world.finished[0].1.as_ref().unwrap_err();
    assert_eq!((world.finished[0].0, refusal.code), (call, ErrorCode::UnexpectedAnswer));
    assert_eq!(world.session.status(), Status::SignedIn);
    assert_eq!(world.signed_out(), []);
}

#[test]
fn a_sign_out_of_a_session_that_has_ended_already_is_done() {
    let mut world = World::signed_in();
    world.sign_out(100, Answer::Ended(Code::SessionRevoked, "s1"));
    world.run(100);
    assert!(world.finished[0].1.is_ok());
    assert_eq!(world.signed_out(), [EndReason::SignedOut]);
}

#[test]
fn a_sign_out_that_hangs_is_done_when_another_tab_tells_that_the_session_is_over() {
    for reason in [EndReason::SignedOut, EndReason::SessionRevoked] {
        let mut world = World::signed_in();
        let call = world.sign_out(20_000, Answer::NoContent);
        world.run(1_000);
        let of = |id: &str| Event::Heard(Message::Ended { session: id.to_owned(), reason });
        world.happen(of("another"));
        assert_eq!(world.finished, []);
        world.happen(of("s1"));
        assert_eq!(world.finished, [(call, Ok(()))]);
        assert_eq!(world.signed_out(), [reason]);
        // Neither the limit nor the answer changes that.
        world.run(30_000);
        assert_eq!((world.session.status(), world.finished.len()), (Status::SignedOut, 1));
        assert_eq!(world.signed_out(), [reason]);
    }
}

#[test]
fn signing_out_twice_ends_nothing_the_second_time() {
    let mut world = World::signed_in();
    world.sign_out(100, Answer::NoContent);
    world.run(100);
    assert_eq!(world.session.sign_out(world.now), Ok(None));
}

#[test]
fn a_late_answer_cannot_bring_back_a_session_that_was_signed_out() {
    let mut world = World::signed_in();
    world.next([(3_000, SIGNED_IN)]);
    world.run(51_000);
    let refresh = world.refresh_in_flight().unwrap();
    world.sign_out(10, Answer::NoContent);
    world.answer(refresh, &SIGNED_IN);
    world.run(10);
    world.answer(refresh, &SIGNED_IN);
    assert_eq!(world.session.status(), Status::SignedOut);
}

#[test]
fn a_request_held_when_the_user_signs_out_is_not_sent() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(0, Answer::Silence)]);
    let held = world.hold();
    world.sign_out(10, Answer::NoContent);
    assert_eq!(world.outcome(held), Some((0, &Settled::Failed(ErrorCode::SignedOut, None))));
}

#[test]
fn a_sign_out_before_the_first_answer_ends_whatever_session_there_is() {
    let mut world = World::with(Config::default(), [], (5_000, SIGNED_IN));
    world.sign_out(100, Answer::NoContent);
    world.run(10_000);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_failed_sign_out_before_the_first_answer_starts_again() {
    let mut world = World::with(Config::default(), [(5_000, SIGNED_IN)], (50, SIGNED_IN));
    world.sign_out(100, Answer::Unreachable);
    world.run(1_000);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn another_user_found_by_a_refresh_is_told_as_a_sign_in() {
    let mut world = World::signed_in();
    world.notices.clear();
    world.next([(10, Answer::Token("s2", "grace"))]);
    world.run(52_000);
    assert!(matches!(&world.notices[0], Notice::SignedIn(account) if account.user == "grace"));
}

#[test]
fn closing_settles_everything_and_then_nothing_happens() {
    let mut world = World::signed_in();
    world.sleep(3_600_000);
    world.next([(50, SIGNED_IN)]);
    let held = world.hold_many(3);
    let refresh = world.refresh_in_flight().unwrap();
    world.sign_in(50, SIGNED_IN);
    world.happen(Event::Close);
    for id in held {
        assert_eq!(world.outcome(id).unwrap().1, &Settled::Failed(ErrorCode::Closed, None));
    }
    assert_eq!(world.finished[0].1.as_ref().unwrap_err().code, ErrorCode::Closed);
    let closed = world.session.clone();
    for event in [Event::Shown, Event::Hidden, Event::Woken, Event::UserActive, Event::Close] {
        world.happen(event);
    }
    world.answer(refresh, &SIGNED_IN);
    world.run(3_600_000);
    assert_eq!(world.session, closed);
    assert_eq!(world.session.poll_timeout(), None);
    assert_eq!(world.session.sign_in(world.now), Err(ErrorCode::Closed));
    assert_eq!(world.session.sign_out(world.now), Err(ErrorCode::Closed));
}
