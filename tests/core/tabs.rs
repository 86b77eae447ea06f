use fiftyten::action::{Notice, Settled};
use fiftyten::clock::{Instant, Millis};
use fiftyten::config::Config;
use fiftyten::error::ErrorCode;
use fiftyten::event::{EndReason, Event};
use fiftyten::message::{Handover, Message};
use fiftyten::protocol::{Code, Reason, RefreshBody, SessionRef};
use fiftyten::session::Status;
use fiftyten::token::Grant;

use super::world::{Answer, Lock, SIGNED_IN, World};

const HOUR: u64 = 3_600_000;

/// A token that another tab got by asking for it at this moment.
pub fn handover(session: &str, user: &str, sent_at: Instant) -> Handover {
    let body = RefreshBody {
        token: format!("token.{session}.{}", sent_at.0),
        expires_in_ms: 60_000,
        refresh_in_ms: 50_000,
        session: SessionRef { id: session.to_owned(), user: user.to_owned() },
    };
    Handover { grant: Grant::read(body).expect("it is a good body"), sent_at, confirmed: true, active: false }
}

#[test]
fn a_frozen_page_still_takes_a_token_that_it_is_handed() {
    let mut world = World::signed_in();
    world.happen(Event::Frozen);
    world.run(40_000);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now))));
    assert_eq!(world.token().unwrap().remaining(now), Millis(60_000));
}

#[test]
fn a_page_that_comes_back_from_the_cache_asks_before_it_uses_its_token() {
    let mut world = World::signed_in();
    world.happen(Event::Frozen);
    world.run(20_000);
    world.happen(Event::Restored);
    assert_eq!(world.gate(), None, "its session may have ended meanwhile");
    world.run(50);
    assert!(matches!(world.gate(), Some(Some(_))));
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
    // If the server can't be asked, the token is as good as it was.
    let mut world = World::signed_in();
    world.happen(Event::Frozen);
    world.next([(10, Answer::Unreachable)]);
    world.happen(Event::Restored);
    world.run(10);
    assert!(matches!(world.gate(), Some(Some(_))));
}

#[test]
fn an_older_token_and_a_dead_one_are_not_taken() {
    let mut world = World::signed_in();
    world.run(20_000);
    let before = world.session.clone();
    for sent_at in [world.now - Millis(30_000), world.now - Millis(60_000), world.now - Millis(HOUR)] {
        world.happen(Event::Heard(Message::Token(handover("s1", "ada", sent_at))));
    }
    assert_eq!(world.session.token(world.now), before.token(world.now));
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn another_session_is_asked_about_before_it_is_believed() {
    let mut world = World::signed_in();
    let now = world.now;
    world.usual = (50, Answer::Token("s2", "grace"));
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "grace", now) })));
    assert_eq!(world.session.account().unwrap().user, "ada");
    world.run(1_100);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
    assert_eq!(world.session.account().unwrap().user, "grace");
    world.run(10_000);
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn of_many_tabs_that_hear_of_another_session_the_first_asks_for_all() {
    let mut world = World::signed_in();
    let now = world.now;
    world.lock = Lock::Taken;
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "grace", now) })));
    world.run(1_100);
    // Another tab had the lock, asked, and tells what it was answered.
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s2", "grace", now))));
    assert_eq!(world.session.account().unwrap().user, "grace");
    world.run(10_000);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_request_held_for_one_user_is_not_sent_with_a_token_handed_over_for_another() {
    let mut world = World::signed_in();
    world.sleep(HOUR);
    world.lock = Lock::Taken;
    let held = world.hold();
    let now = world.now;
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "grace", now) })));
    world.happen(Event::Heard(Message::Token(handover("s2", "grace", now))));
    assert_eq!(world.outcome(held).unwrap().1, &Settled::Failed(ErrorCode::SessionChanged, None));
}

#[test]
fn a_sign_in_in_another_tab_signs_this_one_in() {
    let mut world = World::with(Config::default(), [(10, Answer::Code(Code::NoSession))], (50, SIGNED_IN));
    world.run(10);
    assert_eq!(world.session.status(), Status::SignedOut);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s1", "ada", now) })));
    world.run(1_100);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn a_rumour_of_a_session_that_there_is_not_changes_nothing() {
    let mut world = World::with(Config::default(), [], (50, Answer::Code(Code::NoSession)));
    world.run(50);
    let notices = world.notices.len();
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now))));
    world.run(HOUR);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.notices.len(), notices);
}

#[test]
fn a_sign_in_elsewhere_while_this_page_loads_is_not_missed() {
    // The first refresh was sent before the other tab signed in, and finds no session.
    let mut world = World::with(Config::default(), [(100, Answer::Code(Code::NoSession))], (50, SIGNED_IN));
    world.run(50);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s1", "ada", now) })));
    world.run(1_300);
    assert_eq!(world.session.status(), Status::SignedIn);
}

#[test]
fn the_end_of_the_session_reaches_the_other_tabs() {
    let mut world = World::signed_in();
    world.sleep(HOUR);
    world.lock = Lock::Taken;
    let held = world.hold();
    world.happen(Event::Heard(Message::Ended { session: "s1".to_owned(), reason: EndReason::SignedOut }));
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.signed_out(), [EndReason::SignedOut]);
    assert_eq!(world.outcome(held).unwrap().1, &Settled::Failed(ErrorCode::SignedOut, None));
    assert_eq!(world.asking, []);
    assert!(world.told.iter().all(|message| !matches!(message, Message::Ended { .. })), "no echo");
}

#[test]
fn the_end_of_another_session_is_nothing_to_this_tab() {
    let mut world = World::signed_in();
    world
        .happen(Event::Heard(Message::Ended { session: "s9".to_owned(), reason: EndReason::SessionRevoked }));
    assert_eq!(world.session.status(), Status::SignedIn);
}

/// The user signed in anew elsewhere, which this tab was not told of, and that session has ended too.
#[test]
fn a_cookie_of_a_session_never_heard_of_that_has_ended_is_asked_about_once_more_and_is_the_end() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Ended(Code::SessionRevoked, "s2"));
    world.sleep(HOUR);
    world.happen(Event::Shown);
    world.run(10);
    assert_eq!(world.session.status(), Status::SignedIn, "it may be a late word");
    world.run(5_000);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
    assert_eq!(world.sent.len(), 3);
    world.run(HOUR);
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn a_token_that_nobody_has_confirmed_is_not_used_because_the_page_slept_over_the_answer() {
    let mut world = World::signed_in();
    world.happen(Event::PutAway);
    world.usual = (0, Answer::Silence);
    world.happen(Event::Restored);
    world.run(1_000);
    world.sleep(9_000);
    world.happen(Event::Woken);
    assert_eq!(world.sent.len(), 3, "it is asked for at once");
    assert_eq!(world.gate(), None, "and nothing is known yet");
    // An attempt that fails while the page is awake is another matter: the token is what there is.
    world.run(4_001);
    assert!(matches!(world.gate(), Some(Some(_))));
}

#[test]
fn one_late_word_of_the_end_of_another_session_signs_nobody_out() {
    let mut world = World::signed_in();
    world.next([(10, Answer::Ended(Code::SessionRevoked, "s2"))]);
    world.run(60_000);
    assert_eq!(world.session.status(), Status::SignedIn);
    assert_eq!(world.signed_out(), []);
    world.next([(10, Answer::Ended(Code::SessionRevoked, "s2"))]);
    world.run(60_000);
    assert_eq!(world.session.status(), Status::SignedIn, "what was said before the last token is forgotten");
}

#[test]
fn a_session_heard_of_that_has_ended_by_the_time_it_is_asked_about_is_no_second_sign_out() {
    let mut world = World::with(Config::default(), [(10, Answer::Code(Code::NoSession))], (50, SIGNED_IN));
    world.run(10);
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
    world.usual = (10, Answer::Ended(Code::SessionRevoked, "s2"));
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s2", "ada", now))));
    world.run(HOUR);
    assert_eq!(world.sent.len(), 2, "it is asked about");
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
}

#[test]
fn a_late_token_of_a_session_that_has_ended_does_not_bring_it_back() {
    let mut world = World::signed_in();
    let now = world.now;
    world.happen(Event::Heard(Message::Ended { session: "s1".to_owned(), reason: EndReason::SignedOut }));
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now))));
    world.run(HOUR);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn what_the_server_says_of_the_end_is_told_to_all_tabs() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Ended(Code::SessionRevoked, "s1"));
    world.run(60_000);
    let ended = Message::Ended { session: "s1".to_owned(), reason: EndReason::SessionRevoked };
    assert_eq!(world.told.last(), Some(&ended));
}

#[test]
fn activity_in_one_tab_is_reported_by_whichever_refreshes() {
    let mut world = World::signed_in();
    world.told.clear();
    world.happen(Event::UserActive);
    world.happen(Event::UserActive);
    assert_eq!(world.told, [Message::Active], "once until it is reported");
    let mut other = World::signed_in();
    other.happen(Event::Heard(Message::Active));
    other.run(51_100);
    assert!(other.sent[1].active);
    // And the first need not say it again.
    world.lock = Lock::Taken;
    let now = world.now;
    world.happen(Event::Heard(Message::Token(Handover {
        active: true,
        ..handover("s1", "ada", now + Millis(1))
    })));
    world.lock = Lock::Free;
    world.run(51_100);
    assert!(!world.sent[1].active);
}

#[test]
fn a_token_that_was_handed_over_is_told_as_such() {
    let mut world = World::signed_in();
    world.notices.clear();
    world.run(40_000);
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now - Millis(20)))));
    assert_eq!(
        world.notices,
        [Notice::Refreshed { reason: None, took: Millis(20), expires_in: Millis(59_980) }]
    );
}

#[test]
fn a_hidden_tab_asks_about_another_session_when_it_is_shown() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    let now = world.now;
    world.usual = (50, Answer::Token("s2", "grace"));
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "grace", now) })));
    world.run(10_000);
    assert_eq!(world.sent.len(), 1);
    world.happen(Event::Shown);
    world.run(60);
    assert_eq!(world.session.account().unwrap().user, "grace");
}

#[test]
fn alone_it_locks_nothing_and_tells_nobody() {
    let mut world = World::with(Config { tabs: false, ..Config::default() }, [], (50, SIGNED_IN));
    world.lock = Lock::Taken;
    world.happen(Event::UserActive);
    world.run(HOUR);
    assert_eq!(world.asking, []);
    assert_eq!(world.told, []);
    assert!(world.sent.len() >= 70);
}

#[test]
fn a_page_that_comes_back_signed_out_asks_whether_somebody_signed_in_meanwhile() {
    let mut world = World::with(Config::default(), [(10, Answer::Code(Code::NoSession))], (50, SIGNED_IN));
    world.run(10);
    world.happen(Event::PutAway);
    world.sleep(60_000);
    world.happen(Event::Restored);
    world.run(50);
    assert_eq!(world.session.status(), Status::SignedIn);
    // And once only, if nobody did.
    let mut world = World::with(Config::default(), [], (50, Answer::Code(Code::NoSession)));
    world.run(50);
    world.happen(Event::PutAway);
    world.happen(Event::Restored);
    world.run(HOUR);
    assert_eq!(world.sent.len(), 2);
    assert_eq!(world.signed_out().len(), 1);
}

#[test]
fn what_was_in_flight_when_the_page_was_left_says_nothing_when_it_is_back() {
    for late in [SIGNED_IN, Answer::Unreachable, Answer::Status(503)] {
        let mut world = World::signed_in();
        world.next([(3_000, SIGNED_IN)]);
        world.run(51_000);
        let in_flight = world.refresh_in_flight().unwrap();
        world.happen(Event::PutAway);
        assert_eq!(world.holding, None);
        world.next([(200, Answer::Ended(Code::SessionRevoked, "s1"))]);
        world.happen(Event::Restored);
        world.answer(in_flight, &late);
        assert_eq!(world.gate(), None, "nobody has been asked since");
        world.run(200);
        assert_eq!(world.session.status(), Status::SignedOut);
    }
}

#[test]
fn whichever_event_is_first_tells_that_the_page_is_back() {
    for first in [Event::Shown, Event::Woken, Event::Restored] {
        let mut world = World::signed_in();
        world.happen(Event::PutAway);
        assert!(world.token().is_some(), "what a page sends on its way out may carry the token");
        world.happen(first);
        assert_eq!(world.gate(), None);
        assert_eq!(world.token(), None, "not even for a request that does not wait");
        world.happen(Event::Restored);
        world.run(50);
        assert!(matches!(world.gate(), Some(Some(_))));
    }
}

#[test]
fn a_session_that_was_replaced_by_one_that_has_ended_is_over() {
    let mut world = World::signed_in();
    let now = world.now;
    world.usual = (50, Answer::Ended(Code::SessionRevoked, "s2"));
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "ada", now) })));
    world.run(1_100);
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
}

#[test]
fn a_token_that_was_withheld_while_the_page_was_away_is_not_used_unasked_either() {
    for first in [Event::Shown, Event::Woken, Event::Restored] {
        let mut world = World::signed_in();
        world.sign_out(100, Answer::Silence);
        world.happen(Event::PutAway);
        world.sleep(15_000);
        world.happen(first);
        assert_eq!(world.session.status(), Status::SignedIn, "the sign-out has run out");
        assert_eq!(world.gate(), None);
        let held = world.hold();
        world.run(50);
        assert!(world.got_token(held));
    }
}

#[test]
fn a_page_that_did_not_hear_what_replaced_its_session_hears_of_the_end_when_it_is_back() {
    let mut world = World::signed_in();
    world.happen(Event::PutAway);
    // Meanwhile another tab signed in as s2, and that session has ended.
    world.usual = (50, Answer::Ended(Code::SessionRevoked, "s2"));
    world.happen(Event::Restored);
    world.run(1_000);
    assert_eq!(world.session.status(), Status::SignedOut);
    assert_eq!(world.signed_out(), [EndReason::NoSession]);
}

#[test]
fn a_rumour_that_the_first_answer_confirms_is_not_asked_about_again() {
    let mut world = World::new();
    let now = world.now;
    world.happen(Event::Heard(Message::Token(handover("s1", "ada", now))));
    world.run(10_000);
    assert_eq!(world.reasons(), [Reason::Start]);
}

#[test]
fn what_was_heard_before_a_sign_in_does_not_replace_it() {
    let mut world = World::signed_in();
    let now = world.now;
    world.happen(Event::Heard(Message::Token(Handover { confirmed: false, ..handover("s2", "grace", now) })));
    world.sign_in(10, Answer::Token("s3", "linus"));
    world.run(10);
    world.happen(Event::Heard(Message::Token(handover("s2", "grace", now))));
    assert_eq!(world.session.account().unwrap().user, "linus");
}
