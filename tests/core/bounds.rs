//! Whatever happens, in whatever order: the invariants of the design, over random histories.

use fiftyten::action::{Settled, WaiterId};
use fiftyten::clock::Millis;
use fiftyten::config::Config;
use fiftyten::event::{EndReason, Event};
use fiftyten::message::{Handover, Message};
use fiftyten::protocol::Code;
use fiftyten::session::{Rejection, Status};
use fiftyten::token::Serial;
use proptest::prelude::*;

use super::tabs::handover;
use super::world::{Answer, Lock, SIGNED_IN, World};

#[derive(Clone, Debug)]
enum Step {
    Run(u64),
    Sleep(u64),
    Request,
    GiveUp(usize),
    Rejected(u32),
    Shown,
    Hidden,
    Woken,
    Active,
    SignIn(Reply),
    SignOut(Reply),
    Server(u64, Reply),
    Once(u64, Reply),
    Close,
    Lock(Lock),
    /// The lock comes, perhaps late.
    Grant,
    /// Another tab hands a token over: its session, its age in ms, whether a refresh brought it.
    Heard(u8, u64, bool),
    HeardEnd(u8),
    HeardActive,
    Frozen,
    PutAway,
    Restored,
}

/// Whose sessions are spoken of.
const OTHERS: [(&str, &str); 3] = [("s1", "ada"), ("s2", "ada"), ("s3", "grace")];

/// An index into the answers below: it shrinks towards the harmless ones.
type Reply = u8;

fn answer(reply: Reply) -> Answer {
    match reply {
        0 => SIGNED_IN,
        1 => Answer::Status(503),
        2 => Answer::Unreachable,
        3 => Answer::Silence,
        4 => Answer::Garbage,
        5 => Answer::Later(429, 7_000),
        6 => Answer::Later(503, 90_000),
        7 => Answer::Code(Code::OriginRejected),
        8 => Answer::Token("s2", "ada"),
        9 => Answer::Token("s3", "grace"),
        10 => Answer::Lives(12_000, 8_000),
        11 => Answer::Lives(1_000, 999),
        12 => Answer::Status(403),
        13 => Answer::NoContent,
        14 => Answer::Ended(Code::SessionRevoked, "another"),
        15 => Answer::Code(Code::NoSession),
        16 => Answer::Ended(Code::SessionExpired, "s1"),
        _ => Answer::Ended(Code::SessionRevoked, "s1"),
    }
}

/// Answers by which no session ends.
const HARMLESS: std::ops::Range<Reply> = 0..14;
const ANY: std::ops::Range<Reply> = 0..18;

fn step(replies: std::ops::Range<Reply>) -> impl Strategy<Value = Step> {
    let delay = prop_oneof![0_u64..200, 200_u64..6_000];
    prop_oneof![
        6 => (0_u64..5_000).prop_map(Step::Run),
        3 => (0_u64..90_000).prop_map(Step::Run),
        2 => (0_u64..200_000).prop_map(Step::Sleep),
        8 => Just(Step::Request),
        2 => any::<usize>().prop_map(Step::GiveUp),
        2 => (0_u32..6).prop_map(Step::Rejected),
        1 => Just(Step::Shown),
        1 => Just(Step::Hidden),
        1 => Just(Step::Woken),
        1 => Just(Step::Active),
        4 => (delay.clone(), replies.clone()).prop_map(|(delay, reply)| Step::Server(delay, reply)),
        2 => (delay, replies.clone()).prop_map(|(delay, reply)| Step::Once(delay, reply)),
        1 => replies.clone().prop_map(Step::SignIn),
        2 => prop_oneof![Just(Lock::Free), Just(Lock::Taken), Just(Lock::Missing)].prop_map(Step::Lock),
        1 => Just(Step::Grant),
        3 => (0_u8..3, 0_u64..70_000, any::<bool>()).prop_map(|(who, age, sure)| Step::Heard(who, age, sure)),
        1 => Just(Step::HeardActive),
        1 => Just(Step::Frozen),
        1 => Just(Step::PutAway),
        1 => Just(Step::Restored),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => step(ANY),
        1 => (0_u8..3).prop_map(Step::HeardEnd),
        1 => ANY.prop_map(Step::SignOut),
        1 => Just(Step::Close),
    ]
}

struct History {
    world: World,
    held: Vec<WaiterId>,
    given_up: Vec<WaiterId>,
}

impl History {
    fn new(seed: u64) -> Self {
        let world = World::with(Config { seed, ..Config::default() }, [], (50, SIGNED_IN));
        Self { world, held: Vec::new(), given_up: Vec::new() }
    }

    /// The world itself checks, after everything that happens: one refresh in flight at the most,
    /// no deadline in the past, nobody settled twice or with a dead token, no loop.
    fn take(&mut self, step: &Step) {
        let world = &mut self.world;
        match *step {
            Step::Run(ms) => world.run(ms),
            Step::Sleep(ms) => world.sleep(ms),
            Step::Request => {
                if world.gate().is_none() {
                    self.held.push(world.hold());
                }
            }
            Step::GiveUp(which) => {
                if let Some(&id) = self.held.get(which % self.held.len().max(1)) {
                    world.give_up(id);
                    self.given_up.push(id);
                }
            }
            Step::Rejected(age) => {
                let newest = world.token().map_or(0, |token| token.serial().0);
                if let Rejection::Wait(id) = world.rejected(Serial(newest.saturating_sub(age))) {
                    self.held.push(id);
                }
            }
            Step::Shown => world.happen(Event::Shown),
            Step::Hidden => world.happen(Event::Hidden),
            Step::Woken => world.happen(Event::Woken),
            Step::Active => world.happen(Event::UserActive),
            Step::SignIn(reply) => {
                let begun = world.session.sign_in(world.now);
                world.drain();
                if let Ok(id) = begun {
                    world.call(id, 100, &answer(reply));
                }
            }
            Step::SignOut(reply) => {
                let begun = world.session.sign_out(world.now);
                world.drain();
                if let Ok(Some(id)) = begun {
                    world.call(id, 100, &answer(reply));
                }
            }
            Step::Server(delay, reply) => world.usual = (delay, answer(reply)),
            Step::Once(delay, reply) => world.script.push_back((delay, answer(reply))),
            Step::Close => world.happen(Event::Close),
            Step::Lock(lock) => world.lock = lock,
            Step::Grant => {
                if let Some(id) = world.asking.pop() {
                    world.holding = Some(id);
                    world.happen(Event::Locked(id));
                }
            }
            Step::Heard(who, age, confirmed) => {
                let (session, user) = OTHERS[usize::from(who)];
                let sent_at = world.now - Millis(age);
                let handover = Handover { confirmed, ..handover(session, user, sent_at) };
                world.happen(Event::Heard(Message::Token(handover)));
            }
            Step::HeardEnd(who) => {
                let session = OTHERS[usize::from(who)].0.to_owned();
                world.happen(Event::Heard(Message::Ended { session, reason: EndReason::SessionRevoked }));
            }
            Step::HeardActive => world.happen(Event::Heard(Message::Active)),
            Step::Frozen => world.happen(Event::Frozen),
            Step::PutAway => world.happen(Event::PutAway),
            Step::Restored => world.happen(Event::Restored),
        }
        // For the refresh in flight, or for the moment before it is sent.
        let about_to = || world.session.poll_timeout().is_some_and(|(at, _)| at <= world.now + Millis(50));
        let kept = world.holding.is_some() && world.holding != world.refresh_in_flight() && !about_to();
        assert!(!kept, "a lock is kept");
        assert!(world.asking.len() <= 1, "it asks for the lock twice");
    }

    fn check(&mut self) {
        // Nobody waits longer than the limit, counted from when the page was there to be told.
        self.world.run(10_000);
        for &id in &self.held {
            if !self.given_up.contains(&id) {
                assert!(self.world.outcome(id).is_some(), "{id:?} hangs");
            }
        }
        let times: Vec<u64> = self.world.sent.iter().map(|sent| sent.at).collect();
        for (place, &from) in times.iter().enumerate() {
            let within = times[place..].iter().take_while(|&&at| at < from + 60_000).count();
            assert!(within <= 72, "{within} attempts in a minute");
        }
        for pair in self.world.forced_at().windows(2) {
            assert!(pair[1] - pair[0] >= 1_000, "forced twice within the least slack");
        }
    }
}

fn cases() -> u32 {
    if std::env::var_os("FIFTYTEN_LONG").is_some() { 20_000 } else { 1_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold(
        seed in any::<u64>(),
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut history = History::new(seed);
        for step in &steps {
            history.take(step);
        }
        history.check();
    }

    #[test]
    fn without_the_authoritative_word_nobody_is_signed_out(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(HARMLESS), 1..120),
    ) {
        let mut history = History::new(seed);
        history.world.run(50);
        for step in &steps {
            history.take(step);
            prop_assert_eq!(history.world.session.status(), Status::SignedIn);
        }
        prop_assert_eq!(history.world.signed_out(), []);
        // And whatever it went through, it recovers by itself once the server is back: at most
        // after the longest Retry-After that is believed.
        history.world.script.clear();
        history.world.usual = (50, SIGNED_IN);
        history.world.happen(Event::Shown);
        history.world.run(340_000);
        prop_assert!(history.world.token().is_some());
    }

    #[test]
    fn a_request_never_leaves_with_the_token_of_a_user_it_was_not_made_for(
        seed in any::<u64>(),
        steps in prop::collection::vec(any_step(), 1..120),
    ) {
        let mut history = History::new(seed);
        let mut made_for = Vec::new();
        for step in &steps {
            let user = history.world.session.account().map(|account| account.user.clone());
            let before = history.held.len();
            history.take(step);
            if history.held.len() > before {
                made_for.push(user);
            }
        }
        history.check();
        for (id, user) in history.held.iter().zip(&made_for) {
            if let (Some(user), Some((_, Settled::Token(token)))) = (user, history.world.outcome(*id)) {
                prop_assert_eq!(user, &token.session().user);
            }
        }
    }

    #[test]
    fn a_token_with_time_left_is_dropped_only_for_another_or_with_its_session(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(HARMLESS), 1..120),
    ) {
        let mut history = History::new(seed);
        history.world.run(50);
        for step in &steps {
            let before = history.world.token().cloned();
            history.take(step);
            if let Some(before) = before.filter(|token| token.remaining(history.world.now) > Millis(0)) {
                let after = history.world.session.latest().map(|token| token.serial());
                prop_assert!(after.is_some_and(|after| after >= before.serial()));
            }
        }
    }
}
