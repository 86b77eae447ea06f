use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::secret::Secret;

const T0: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn plan() -> Plan {
    Plan { algorithm: SigningAlgorithm::EdDsa, every_ms: 2 * HOUR, lead_ms: LEAD_MS, keep_ms: KEEP_MS }
}

/// A key set, and the numbers by which its keys are called.
struct Set {
    keys: Vec<StoredKey>,
    made: u32,
}

impl Set {
    fn empty() -> Self {
        Self { keys: Vec::new(), made: 0 }
    }

    /// One that has just been made.
    fn new(plan: &Plan) -> Self {
        let mut set = Self::empty();
        set.apply(&plan.due(&[], T0), plan, T0);
        set
    }

    fn apply(&mut self, changes: &[Change], plan: &Plan, now_ms: u64) {
        let made = &mut self.made;
        self.keys = apply(std::mem::take(&mut self.keys), changes, now_ms, |state| {
            *made += 1;
            StoredKey {
                kid: format!("k{made}"),
                algorithm: plan.algorithm.as_str().to_owned(),
                private: Secret::new(Vec::new()),
                is_sealed: false,
                public: Vec::new(),
                state,
                created_at: now_ms,
                changed_at: now_ms,
            }
        });
    }

    fn step(&mut self, plan: &Plan, now_ms: u64) -> Vec<Change> {
        let changes = plan.due(&self.keys, now_ms);
        self.apply(&changes, plan, now_ms);
        changes
    }

    fn shape(&self) -> String {
        let mut keys: Vec<_> =
            self.keys.iter().map(|key| format!("{} {}", key.kid, key.state.as_str())).collect();
        keys.sort();
        keys.join(", ")
    }
}

#[test]
fn the_first_key_signs_at_once_and_the_second_is_published_from_the_start() {
    let mut set = Set::new(&plan());
    assert_eq!(set.shape(), "k1 current, k2 next");
    assert!(set.step(&plan(), T0).is_empty(), "and then there is nothing to do");
}

#[test]
fn a_key_signs_for_the_period_and_stays_published_until_its_tokens_have_expired() {
    let plan = plan();
    let mut set = Set::new(&plan);
    assert!(set.step(&plan, T0 + 2 * HOUR - 1).is_empty());
    set.step(&plan, T0 + 2 * HOUR);
    assert_eq!(set.shape(), "k1 retired, k2 current, k3 next");
    assert!(set.step(&plan, T0 + 2 * HOUR + KEEP_MS - 1).is_empty());
    set.step(&plan, T0 + 2 * HOUR + KEEP_MS);
    assert_eq!(set.shape(), "k2 current, k3 next");
    assert_eq!(KEEP_MS, 61 * MINUTE);
}

#[test]
fn a_rotation_by_hand_waits_until_every_verifier_knows_the_next_key() {
    let plan = plan();
    let mut set = Set::new(&plan);
    let ripe_at = T0 + LEAD_MS;
    assert_eq!(LEAD_MS, 11 * MINUTE);
    assert_eq!(plan.rotate(&set.keys, ripe_at - 1), Err(Refusal::TooEarly(ripe_at)));
    let changes = plan.rotate(&set.keys, ripe_at).unwrap();
    set.apply(&changes, &plan, ripe_at);
    assert_eq!(set.shape(), "k1 retired, k2 current, k3 next");
    assert_eq!(plan.rotate(&set.keys, ripe_at), Err(Refusal::TooEarly(ripe_at + LEAD_MS)));
    assert!(plan.due(&set.keys, T0 + 2 * HOUR).iter().all(|change| matches!(change, Change::Remove(_))));
    assert!(set.step(&plan, ripe_at + 2 * HOUR).len() >= 3, "the period counts from the last rotation");
}

#[test]
fn another_algorithm_is_published_first_and_signs_at_the_next_rotation() {
    let mut set = Set::new(&plan());
    let plan = Plan { algorithm: SigningAlgorithm::Es256, ..plan() };
    assert!(set.step(&plan, T0 + LEAD_MS - 1).is_empty());
    set.step(&plan, T0 + LEAD_MS);
    assert_eq!(set.shape(), "k1 current, k3 next");
    assert_eq!(set.keys[1].algorithm, "ES256");
    set.step(&plan, T0 + 2 * HOUR);
    assert_eq!(set.shape(), "k1 retired, k3 current, k4 next");
}

#[test]
fn servers_with_different_algorithms_do_not_keep_each_other_from_rotating() {
    let plans = [plan(), Plan { algorithm: SigningAlgorithm::Es256, ..plan() }];
    let mut set = Set::new(&plans[0]);
    for minute in 0..12 * 60 {
        for plan in &plans {
            set.step(plan, T0 + minute * MINUTE);
        }
        let current = set.keys.iter().find(|key| key.state == KeyState::Current).unwrap();
        let signs_for = T0 + minute * MINUTE - current.changed_at;
        assert!(signs_for < 2 * HOUR + LEAD_MS + MINUTE, "{} min", signs_for / MINUTE);
    }
}

#[test]
fn in_an_emergency_nothing_that_was_stays() {
    let plan = plan();
    let mut set = Set::new(&plan);
    set.step(&plan, T0 + 2 * HOUR);
    let changes = plan.replace(&set.keys);
    set.apply(&changes, &plan, T0 + 2 * HOUR + 1);
    assert_eq!(set.shape(), "k4 current, k5 next");
}

#[test]
fn a_key_that_does_not_sign_can_be_withdrawn() {
    let plan = plan();
    let mut set = Set::new(&plan);
    set.step(&plan, T0 + 2 * HOUR);
    assert_eq!(plan.withdraw(&set.keys, "k2"), Err(Refusal::Signs));
    assert_eq!(plan.withdraw(&set.keys, "k9"), Err(Refusal::Unknown));
    for (kid, left) in [("k1", "k2 current, k3 next"), ("k3", "k2 current, k4 next")] {
        let changes = plan.withdraw(&set.keys, kid).unwrap();
        set.apply(&changes, &plan, T0 + 2 * HOUR + 1);
        assert_eq!(set.shape(), left);
    }
    assert!(plan.rotate(&set.keys, T0 + 2 * HOUR + LEAD_MS).is_err(), "its successor has to be known first");
}

#[test]
fn a_clock_that_is_set_back_rotates_nothing() {
    let plan = plan();
    let mut set = Set::new(&plan);
    set.step(&plan, T0 + 2 * HOUR);
    for now_ms in [0, T0 - HOUR, T0 + HOUR] {
        assert!(set.step(&plan, now_ms).is_empty());
        assert!(plan.rotate(&set.keys, now_ms).is_err());
    }
}

/// What may happen to a key set.
#[derive(Clone, Debug)]
enum Event {
    /// A server looks.
    Look,
    /// A server of the other configuration looks.
    LookOtherwise,
    Rotate,
    /// The key in this place, counted around.
    Withdraw(usize),
    Replace,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => Just(Event::Look),
        4 => Just(Event::LookOtherwise),
        6 => Just(Event::Rotate),
        2 => (0_usize..8).prop_map(Event::Withdraw),
        1 => Just(Event::Replace),
    ]
}

/// What is known of a key from outside.
#[derive(Debug, Default)]
struct Life {
    published_at: u64,
    /// Made in an emergency, or first of all: it signs at once.
    at_once: bool,
    signed_until: Option<u64>,
}

/// Runs a history and checks what the plan promises after every event. The number of rotations.
fn check(plan: &Plan, history: &[(u64, Event)]) -> Result<u32, String> {
    let other = Plan { algorithm: SigningAlgorithm::Es256, every_ms: plan.every_ms * 2, ..*plan };
    let (mut set, mut now_ms, mut rotations) = (Set::empty(), T0, 0);
    let mut lives: BTreeMap<String, Life> = BTreeMap::new();
    for (pause_ms, event) in history {
        now_ms += pause_ms;
        let (mut withdrawn, mut by_hand) = (None, false);
        let changes = match event {
            Event::Look => plan.due(&set.keys, now_ms),
            Event::LookOtherwise => other.due(&set.keys, now_ms),
            Event::Rotate => plan.rotate(&set.keys, now_ms).unwrap_or_default(),
            Event::Replace => {
                by_hand = true;
                plan.replace(&set.keys)
            }
            Event::Withdraw(place) => {
                let kid = set.keys.get(place % set.keys.len().max(1)).map(|key| key.kid.clone());
                withdrawn = kid.clone();
                kid.and_then(|kid| plan.withdraw(&set.keys, &kid).ok()).unwrap_or_default()
            }
        };
        let before: BTreeMap<_, _> = set.keys.iter().map(|key| (key.kid.clone(), key.state)).collect();
        set.apply(&changes, if matches!(event, Event::LookOtherwise) { &other } else { plan }, now_ms);
        let count = |state| set.keys.iter().filter(|key| key.state == state).count();
        if !(set.keys.is_empty() || (count(KeyState::Current) == 1 && count(KeyState::Next) <= 1)) {
            return Err(format!("{event:?}: {}", set.shape()));
        }
        if set.keys.len() > 12 {
            return Err(format!("{} keys, and verifiers take 32", set.keys.len()));
        }
        for key in &set.keys {
            let life = lives.entry(key.kid.clone()).or_insert_with(|| Life {
                published_at: now_ms,
                at_once: key.state == KeyState::Current,
                signed_until: None,
            });
            let was = before.get(&key.kid);
            if key.state == KeyState::Current && was == Some(&KeyState::Next) {
                rotations += 1;
                let published_ms = now_ms - life.published_at;
                if published_ms < 660_000 {
                    return Err(format!("{} signs after {published_ms} ms", key.kid));
                }
            }
            if key.state == KeyState::Current && was.is_none() && !life.at_once {
                return Err(format!("{} signs unannounced", key.kid));
            }
            if key.state == KeyState::Retired && was == Some(&KeyState::Current) {
                life.signed_until = Some(now_ms);
            }
        }
        for (kid, state) in before {
            let gone = !set.keys.iter().any(|key| key.kid == kid);
            if !gone || by_hand || withdrawn.as_ref() == Some(&kid) {
                continue;
            }
            match (state, lives[&kid].signed_until) {
                (KeyState::Next, _) => {}
                (KeyState::Retired, Some(until)) if now_ms - until >= 3_660_000 => {}
                other => return Err(format!("{kid} is gone too early: {other:?}")),
            }
        }
    }
    Ok(rotations)
}

fn history() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let pause = prop_oneof![0_u64..20_000, 0..MINUTE * 15, 0..HOUR * 3];
    prop::collection::vec((pause, event()), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn in_any_history_a_key_is_known_before_it_signs_and_until_its_tokens_have_expired(history in history()) {
        if let Err(why) = check(&plan(), &history) {
            prop_assert!(false, "{why}");
        }
    }
}

/// The property is one that can fail.
#[test]
fn a_shorter_lead_or_keep_is_found() {
    let history: Vec<_> = (0..4 * 3_600).flat_map(|_| [(1_000, Event::Look), (0, Event::Rotate)]).collect();
    assert!(check(&plan(), &history).unwrap() > 10);
    let early = check(&Plan { lead_ms: LEAD_MS - 1_000, ..plan() }, &history).unwrap_err();
    assert!(early.contains("signs after 659000 ms"), "{early}");
    let gone = check(&Plan { keep_ms: KEEP_MS - 1_000, ..plan() }, &history).unwrap_err();
    assert!(gone.contains("is gone too early"), "{gone}");
}
