use fiftyten::action::Notice;
use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::error::Failure;
use fiftyten::event::{EndReason, Event};
use fiftyten::message::Message;
use fiftyten::protocol::{Code, Reason};
use fiftyten::session::{Status, TimerKind};

use super::tabs::handover;
use super::world::{Answer, SIGNED_IN, World};

/// Everything that a refresh may be answered and that is not the authoritative end.
fn transient() -> Vec<Answer> {
    let statuses = [
        301, 302, 304, 400, 401, 403, 404, 405, 407, 408, 409, 410, 413, 415, 418, 421, 425, 429, 431, 451,
        500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599,
    ];
    let mut answers: Vec<Answer> = statuses.into_iter().map(Answer::Status).collect();
    answers.extend(
        Code::ALL
            .into_iter()
            .filter(|code| !matches!(code, Code::SessionRevoked | Code::SessionExpired | Code::NoSession))
            .map(Answer::Code),
    );
    answers.extend([
        Answer::Garbage,
        Answer::NoContent,
        Answer::Unreachable,
        Answer::Silence,
        Answer::Lives(0, 0),
        Answer::Lives(60, 50),
        Answer::Lives(60_000, 60_000),
        Answer::Lives(u64::MAX, 1),
        Answer::Later(429, 1_000),
        Answer::Later(503, 86_400_000),
    ]);
    answers
}

#[test]
fn nothing_but_the_authoritative_word_signs_out() {
    for answer in transient() {
        let mut world = World::signed_in();
        world.usual = (10, answer);
        world.run(600_000);
        assert_eq!(world.session.status(), Status::SignedIn);
        assert_eq!(world.signed_out(), []);
        world.usual = (10, SIGNED_IN);
        world.happen(Event::Shown);
        world.run(340_000);
        assert!(world.token().is_some(), "it recovers by itself");
    }
}

#[test]
fn each_authoritative_word_signs_out_with_its_reason() {
    for (answer, reason) in [
        (Answer::Ended(Code::SessionRevoked, "s1"), EndReason::SessionRevoked),
        (Answer::Ended(Code::SessionExpired, "s1"), EndReason::SessionExpired),
        (Answer::Code(Code::NoSession), EndReason::NoSession),
    ] {
        let mut world = World::signed_in();
        world.usual = (10, answer);
        world.run(60_000);
        assert_eq!(world.session.status(), Status::SignedOut);
        assert_eq!(world.signed_out(), [reason]);
        assert_eq!(world.gate(), Some(None));
        let sent = world.sent.len();
        world.run(3_600_000);
        assert_eq!(world.sent.len(), sent, "a session that is over is not asked about");
    }
}

#[test]
fn a_failed_refresh_does_not_throw_away_a_token_that_is_still_good() {
    for answer in transient() {
        let mut world = World::signed_in();
        world.usual = (10, answer);
        let serial = world.serial();
        world.run(59_000);
        assert!(world.sent.len() > 1, "it was tried");
        assert_eq!(world.serial(), serial);
    }
}

#[test]
fn what_ran_out_while_the_machine_slept_is_no_failure_and_no_slow_link() {
    let mut world = World::signed_in();
    world.next([(0, Answer::Silence), (0, Answer::Silence)]);
    world.run(51_000);
    assert_eq!(world.sent.len(), 2, "one is in flight");
    world.sleep(3_600_000);
    let held = world.hold();
    assert_eq!(world.notices.iter().filter(|n| matches!(n, Notice::Degraded { .. })).count(), 0);
    assert_eq!(world.reasons()[2], Reason::Request);
    // The connection that the sleep killed costs four seconds, not eight.
    world.run(6_000);
    assert!(world.got_token(held), "{:?}", world.sent);
}

#[test]
fn a_refresh_without_an_answer_is_aborted_after_four_seconds() {
    let mut world = World::signed_in();
    world.usual = (0, Answer::Silence);
    world.run(51_000);
    let sent_at = world.sent[1].at;
    let (at, kind) = world.session.poll_timeout().unwrap();
    assert_eq!(kind, TimerKind::AttemptTimeout);
    assert_eq!(at.since(world.now).0, sent_at + 4_000 - world.elapsed());
    world.run(4_000);
    assert!(matches!(world.notices.last(), Some(Notice::Degraded { failure: Failure::Timeout, .. })));
}

#[test]
fn a_link_on_which_every_answer_takes_six_seconds_works_and_no_token_dies() {
    let mut world = World::with(Config::default(), [], (6_000, SIGNED_IN));
    let held = world.hold();
    world.run(11_000);
    assert_eq!(world.session.status(), Status::SignedIn, "the second attempt was given its time");
    assert!(world.outcome(held).is_some());
    for _ in 0..600 {
        world.run(1_000);
        assert!(matches!(world.gate(), Some(Some(_))), "at {} ms: {:?}", world.elapsed(), world.sent);
    }
    assert!(world.sent.len() <= 15);
}

#[test]
fn a_silent_server_is_asked_more_than_once_before_the_token_dies() {
    for seed in 0..50 {
        let mut world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
        world.run(50);
        world.next([(0, Answer::Silence)]);
        world.run(60_000);
        assert!(world.token().is_some(), "seed {seed}");
        assert_eq!(world.reasons(), [Reason::Start, Reason::Timer, Reason::Retry]);
    }
}

#[test]
fn the_application_hears_of_the_first_failure_and_of_the_recovery_and_of_nothing_between() {
    let mut world = World::signed_in();
    world.notices.clear();
    world.usual = (10, Answer::Status(502));
    world.run(600_000);
    assert_eq!(world.notices, [Notice::Degraded { failure: Failure::Status(502), reason: Reason::Timer }]);
    let failures = u32::try_from(world.sent.len() - 1).unwrap();
    world.usual = (10, SIGNED_IN);
    world.run(120_000);
    assert!(world.notices.contains(&Notice::Recovered { failures }), "{:?}", world.notices);
}

#[test]
fn retry_after_is_honoured_though_another_tab_says_that_the_session_is_over() {
    let mut world = World::signed_in();
    world.next([(50, Answer::Later(429, 30_000))]);
    world.run(51_000);
    assert_eq!(world.sent.len(), 2);
    let now = world.now;
    world.happen(Event::Heard(Message::Ended { session: "s1".into(), reason: EndReason::SessionRevoked }));
    world.happen(Event::Heard(Message::Token(handover("s2", "ada", now))));
    world.run(25_000);
    assert_eq!(world.sent.len(), 2);
    world.run(30_000);
    assert_eq!(world.sent.len(), 3);
}

#[test]
fn retry_after_is_honoured_in_the_background() {
    let mut world = World::signed_in();
    world.next([(10, Answer::Later(503, 30_000))]);
    world.run(120_000);
    let wait = world.sent[2].at - world.sent[1].at - 10;
    assert!((30_000..=33_000).contains(&wait), "{wait} ms");
}

#[test]
fn an_outage_of_an_hour_costs_few_attempts() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Status(503));
    world.run(3_600_000);
    // After the first few one in 25 to 50 s, 37 on average.
    assert!((85..=120).contains(&world.sent.len()), "{}", world.sent.len());
}

#[test]
fn after_an_outage_clients_do_not_come_back_in_step() {
    // A hundred clients whose server is down for ten minutes.
    let mut first_back: Vec<u64> = (0..100)
        .map(|seed| {
            let mut world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
            world.run(50);
            world.usual = (10, Answer::Unreachable);
            world.run(600_000);
            world.usual = (10, SIGNED_IN);
            world.run(120_000);
            world.sent.iter().find(|sent| sent.at > 600_050).unwrap().at - 600_050
        })
        .collect();
    first_back.sort_unstable();
    let within_a_second = first_back.iter().filter(|&&at| at < 1_000).count();
    assert!(within_a_second <= 10, "{first_back:?}");
    assert!(first_back[99] <= 50_000);
}

#[test]
fn after_an_outage_of_a_minute_or_more_the_load_is_at_most_twice_the_steady_one() {
    const CLIENTS: u64 = 1_000;
    let refusals = [Answer::Unreachable, Answer::Later(503, 3_000), Answer::Silence];
    for (outage, refusal) in [60_000, 90_000, 240_000]
        .iter()
        .flat_map(|outage| refusals.iter().map(move |refusal| (*outage, refusal)))
    {
        // Their phases are spread over one cycle, as in a fleet that has long been there.
        let mut back: Vec<u64> = (0..CLIENTS)
            .flat_map(|client| {
                let mut world =
                    World::with(Config { seed: client, ..Config::default() }, [], (50, SIGNED_IN));
                let begins = 51_000 - client * 50_000 / CLIENTS;
                world.run(begins);
                world.usual = (10, refusal.clone());
                world.run(outage);
                world.usual = (50, SIGNED_IN);
                // A server that stood still answers what it was asked meanwhile.
                if let Some(asked) = world.refresh_in_flight() {
                    world.call(asked, 10, &SIGNED_IN);
                }
                world.run(100_000);
                let ends = begins + outage;
                world
                    .sent
                    .iter()
                    .filter(|sent| sent.at >= ends)
                    .map(|sent| sent.at - ends)
                    .collect::<Vec<_>>()
            })
            .collect();
        back.sort_unstable();
        let most =
            (0..95).map(|s| back.iter().filter(|at| (s * 1_000..(s + 5) * 1_000).contains(*at)).count());
        let steady = CLIENTS as usize / 10;
        let most = most.max().unwrap();
        assert!(most <= steady * 2, "{most} in five seconds after {outage} ms, and {steady} before");
    }
}

#[test]
fn a_late_answer_to_a_refresh_that_was_given_up_changes_nothing() {
    let mut world = World::signed_in();
    world.next([(0, Answer::Silence), (50, SIGNED_IN)]);
    world.run(51_000);
    let given_up = world.refresh_in_flight().unwrap();
    world.run(6_000);
    let before = world.session.clone();
    for late in [
        Answer::Token("s9", "mallory"),
        Answer::Ended(Code::SessionRevoked, "s1"),
        Answer::Code(Code::NoSession),
        Answer::Status(500),
    ] {
        world.answer(given_up, &late);
        assert_eq!(world.session, before);
    }
}

#[test]
fn the_answer_that_comes_in_the_same_moment_as_the_time_out_counts() {
    let mut world = World::signed_in();
    world.next([(4_000, SIGNED_IN)]);
    world.run(56_000);
    assert_eq!(world.sent.len(), 2);
    assert!(world.serial().0 >= 2);
}

#[test]
fn a_server_whose_tokens_live_ever_shorter_does_not_make_the_client_loop() {
    for (expires, refresh) in [(1_000, 1), (1_000, 999), (60_000, 1), (2_000, 1_000), (86_400_000, 1)] {
        let mut world = World::with(Config::default(), [], (1, Answer::Lives(expires, refresh)));
        world.run(600_000);
        let most = (0..540_000)
            .step_by(10_000)
            .map(|from| world.sent.iter().filter(|s| (from..from + 60_000).contains(&s.at)).count())
            .max()
            .unwrap();
        assert!(most <= 72, "{expires}/{refresh}: {most} in a minute");
    }
}

#[test]
fn a_hidden_tab_does_not_go_on_trying() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Unreachable);
    world.run(52_000);
    world.happen(Event::Hidden);
    let sent = world.sent.len();
    world.run(3_600_000);
    assert!(world.sent.len() <= sent + 1);
}

#[test]
fn a_held_request_is_retried_for_more_eagerly_than_the_background() {
    let mut world = World::signed_in();
    world.usual = (10, Answer::Unreachable);
    world.run(1_800_000);
    let from = world.elapsed();
    world.hold();
    world.run(10_000);
    let attempts = world.sent.iter().filter(|sent| sent.at >= from).count();
    assert!((4..=22).contains(&attempts), "{attempts} in 10 s");
}

#[test]
fn a_request_after_a_long_outage_does_not_wait_for_the_backgrounds_turn() {
    let mut waits: Vec<u64> = (0..100)
        .map(|seed| {
            let mut world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
            world.run(50);
            world.usual = (10, Answer::Unreachable);
            world.run(1_800_000);
            world.usual = (50, SIGNED_IN);
            let held = world.hold();
            world.run(10_000);
            assert!(world.got_token(held));
            world.outcome(held).unwrap().0
        })
        .collect();
    waits.sort_unstable();
    assert!(waits[99] <= 2_060, "{waits:?}");
    assert_eq!(waits[50], 50, "mostly at once");
}

#[test]
fn the_slack_of_the_latest_token_is_what_bounds_the_next_refresh() {
    let mut world = World::with(Config::default(), [], (50, Answer::Lives(12_000, 8_000)));
    world.run(50);
    world.usual = (0, Answer::Silence);
    world.run(8_400);
    let (at, kind) = world.session.poll_timeout().unwrap();
    assert_eq!(kind, TimerKind::AttemptTimeout);
    assert!(at.since(world.now) <= Millis(1_600));
}

#[test]
fn a_server_that_shortens_its_tokens_a_hundredfold_is_followed_at_once() {
    let mut world = World::with(Config::default(), [], (50, Answer::Lives(7_200_000, 3_600_000)));
    for _ in 0..5 {
        world.run(3_700_000);
    }
    world.usual = (50, SIGNED_IN);
    world.run(3_960_000);
    let from = world.elapsed();
    world.run(600_000);
    let sent = world.sent.iter().filter(|sent| sent.at >= from).count();
    assert!((11..=12).contains(&sent), "{sent} in ten minutes");
}
