use fiftyten::action::Notice;
use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::event::Event;
use fiftyten::protocol::Reason;

use super::world::{Answer, SIGNED_IN, World};

#[test]
fn a_token_of_60_s_is_renewed_every_50() {
    let mut world = World::new();
    world.run(3_600_000);
    // From the sending of one to the sending of the next: 50 s, and at most 1 s of stagger.
    for pair in world.sent.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!((50_000..=51_000).contains(&gap), "{gap} ms");
        assert_eq!(pair[1].reason, Reason::Timer);
    }
    assert!((70..=72).contains(&(world.sent.len() - 1)), "{}", world.sent.len());
}

#[test]
fn a_request_every_second_for_an_hour_never_waits() {
    let mut world = World::signed_in();
    for _ in 0..3_600 {
        world.run(1_000);
        assert!(matches!(world.gate(), Some(Some(_))), "at {} ms", world.elapsed());
    }
    assert!(world.sent.len() <= 72);
}

#[test]
fn tabs_do_not_act_in_step() {
    let times: std::collections::BTreeSet<u64> = (0..20)
        .map(|seed| {
            let config = Config { seed, ..Config::default() };
            let mut world = World::with(config, [], (50, SIGNED_IN));
            world.run(60_000);
            world.sent[1].at
        })
        .collect();
    assert!(times.len() > 15, "{times:?}");
}

#[test]
fn compressed_time_keeps_the_proportions() {
    let mut world = World::with(Config::default(), [], (50, Answer::Lives(12_000, 8_000)));
    world.run(600_000);
    for pair in world.sent.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!((8_000..=8_400).contains(&gap), "{gap} ms");
    }
}

#[test]
fn a_hidden_tab_does_not_poll() {
    let mut world = World::signed_in();
    world.happen(Event::Hidden);
    world.run(3_600_000);
    assert_eq!(world.sent.len(), 1);
    assert_eq!(world.session.poll_timeout(), None);
}

#[test]
fn a_hidden_tab_polls_if_it_is_told_to_and_lets_visible_ones_go_first() {
    let config = Config { poll_while_hidden: true, ..Config::default() };
    let mut world = World::with(config, [], (50, SIGNED_IN));
    world.happen(Event::Hidden);
    world.run(3_600_000);
    for pair in world.sent.windows(2) {
        let gap = pair[1].at - pair[0].at;
        assert!((52_000..=53_000).contains(&gap), "{gap} ms");
    }
}

#[test]
fn the_refresh_says_whether_the_user_was_active_since_the_last() {
    let mut world = World::signed_in();
    world.happen(Event::UserActive);
    world.happen(Event::UserActive);
    world.run(102_500);
    let active: Vec<bool> = world.sent.iter().map(|sent| sent.active).collect();
    assert_eq!(active, [false, true, false]);
}

#[test]
fn a_user_who_turns_to_the_tab_is_active_and_one_who_leaves_it_is_not() {
    let mut world = World::signed_in();
    // It was shown all the time.
    world.happen(Event::Shown);
    world.run(51_500);
    world.happen(Event::Hidden);
    world.run(70_000);
    world.happen(Event::Shown);
    world.run(60_000);
    let active: Vec<bool> = world.sent.iter().map(|sent| sent.active).collect();
    assert_eq!(active, [false, false, true, false]);
}

#[test]
fn activity_that_a_failed_refresh_told_of_is_told_again() {
    let mut world = World::signed_in();
    world.happen(Event::UserActive);
    world.next([(10, Answer::Status(500))]);
    world.run(60_000);
    assert!(world.sent[1].active && world.sent[2].active);
    world.run(60_000);
    assert!(!world.sent.last().unwrap().active);
}

#[test]
fn each_refresh_is_told_with_its_reason_and_how_long_it_took() {
    let mut world = World::signed_in();
    world.notices.clear();
    world.run(60_000);
    assert_eq!(
        world.notices,
        [Notice::Refreshed { reason: Some(Reason::Timer), took: Millis(50), expires_in: Millis(59_950) }]
    );
}

#[test]
fn user_activity_does_not_refresh_by_itself() {
    let mut world = World::signed_in();
    for _ in 0..1_000 {
        world.happen(Event::UserActive);
        world.run(1);
    }
    assert_eq!(world.sent.len(), 1);
}
