use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::event::Event;
use fiftyten::protocol::Reason;
use fiftyten::session::Status;

use super::world::{Answer, SIGNED_IN, World};

const HOUR: u64 = 3_600_000;

#[test]
fn after_sleep_all_requests_wait_for_one_refresh_and_then_go_with_its_token() {
    let mut world = World::signed_in();
    let before = world.serial();
    world.sleep(8 * HOUR);
    let held = world.hold_many(1_000);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Request]);
    assert!(held.iter().all(|&id| world.outcome(id).is_none()), "none leaves before the answer");
    world.run(50);
    assert!(held.iter().all(|&id| world.got_token(id)));
    assert!(world.serial() > before);
    world.run(1_000);
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_page_that_is_shown_again_refreshes_at_once_if_renewal_is_overdue() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.run(10 * 60_000);
    world.happen(Event::Shown);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
    world.run(50);
    assert!(matches!(world.gate(), Some(Some(_))));
}

#[test]
fn a_page_shown_between_renewal_and_deadline_refreshes_and_lets_requests_through() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.run(53_000);
    world.happen(Event::Shown);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
    assert!(matches!(world.gate(), Some(Some(_))), "the token has 7 s left");
}

#[test]
fn a_page_shown_while_its_token_is_fresh_refreshes_nothing() {
    let mut world = World::signed_in();
    for _ in 0..100 {
        world.happen(Event::Hidden);
        world.happen(Event::Shown);
        world.happen(Event::Woken);
    }
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn waking_in_a_hidden_tab_refreshes_nothing() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.sleep(HOUR);
    world.happen(Event::Woken);
    world.run(HOUR);
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_request_in_a_hidden_tab_refreshes_before_it_is_sent() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.run(HOUR);
    let held = world.hold();
    world.run(50);
    assert!(world.got_token(held));
    assert_eq!(world.reasons(), [Reason::Start, Reason::Request]);
}

#[test]
fn a_timer_that_was_kept_from_running_until_the_token_died_is_a_wake() {
    let mut world = World::signed_in();
    world.sleep(HOUR);
    world.run(0);
    assert_eq!(world.reasons(), [Reason::Start, Reason::Wake]);
}

#[test]
fn the_network_may_come_back_a_moment_after_the_screen() {
    for seed in 0..50 {
        let config = Config { seed, ..Config::default() };
        let mut world = World::with(config, [], (50, SIGNED_IN));
        world.run(50);
        world.sleep(HOUR);
        // The first three attempts find no network.
        world.next(vec![(1, Answer::Unreachable); 3]);
        world.happen(Event::Shown);
        let held = world.hold();
        world.run(1_000);
        assert!(world.got_token(held), "seed {seed}: {:?}", world.sent);
        assert_eq!(world.session.status(), Status::SignedIn);
    }
}

#[test]
fn an_answer_that_spent_its_life_asleep_is_not_used_and_a_new_one_is_asked_for() {
    let mut world = World::signed_in();
    world.run(50_999);
    assert_eq!(world.sent.len(), 2, "the second refresh is in flight or was answered");
    let mut world = World::new();
    world.sleep(HOUR); // with the first refresh on its way
    world.run(0);
    let held = world.hold();
    world.run(100);
    assert!(world.got_token(held));
    assert!(world.token().unwrap().remaining(world.now) > Millis(59_000));
}

#[test]
fn a_refresh_that_was_in_flight_when_the_machine_slept_does_not_hold_up_the_next() {
    let mut world = World::signed_in();
    world.next([(10, Answer::Silence)]);
    world.run(51_000);
    assert!(world.refresh_in_flight().is_some());
    world.sleep(HOUR);
    world.happen(Event::Shown);
    let held = world.hold();
    world.run(600);
    assert!(world.got_token(held));
    assert_eq!(world.outcome(held).unwrap().0 / 500, 0, "within half a second");
}

#[test]
fn coming_online_ends_the_wait_after_failures() {
    let mut world = World::signed_in();
    world.usual = (1, Answer::Unreachable);
    world.run(20 * 60_000);
    world.usual = (50, SIGNED_IN);
    let sent = world.sent.len();
    world.run(0);
    world.happen(Event::Woken);
    assert_eq!(world.sent.len(), sent + 1);
    world.run(50);
    assert!(world.token().is_some());
}

#[test]
fn a_page_that_keeps_waking_stays_within_the_budget() {
    let mut world = World::signed_in();
    world.usual = (1, Answer::Unreachable);
    world.sleep(HOUR);
    let from = world.elapsed();
    for _ in 0..6_000 {
        world.happen(Event::Woken);
        world.run(10);
    }
    let attempts = world.sent.iter().filter(|sent| sent.at >= from).count();
    assert!(attempts <= 22, "{attempts} in a minute");
}
