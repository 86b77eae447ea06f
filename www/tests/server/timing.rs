//! What the time of an answer tells: whether there is an account with an address must not be in it.
//!
//! Ranks are compared, not means: a machine that is busy now and then moves a few samples, and those of both kinds
//! alike, because they take turns.

#![allow(clippy::print_stdout, reason = "it says what it measured")]

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::Value;

use crate::world::{EMAIL, HOUR, World, credentials, post};

const SAMPLES: usize = 150;

/// With 150 samples of each kind the standard deviation of [`precedence`] is 0.033 where nothing tells them apart:
/// this is four and a half of them from a half. A difference of two thirds of the samples' own spread is found.
const SUSPICIOUS: f64 = 0.15;

/// How often a time of `some` is shorter than one of `others`: a half where nothing tells them apart (the statistic of
/// Mann and Whitney, divided by the number of pairs).
fn precedence(some: &[Duration], others: &[Duration]) -> f64 {
    let of = |a: &Duration, b: &Duration| match a.cmp(b) {
        std::cmp::Ordering::Less => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Greater => 0.0,
    };
    let won: f64 = some.iter().flat_map(|a| others.iter().map(move |b| of(a, b))).sum();
    won / (some.len() * others.len()) as f64
}

/// Times of two kinds of sign-in, which take turns: now one is first, now the other.
async fn compare(
    world: &World,
    [one, other]: [(&Value, StatusCode); 2],
    samples: usize,
) -> [Vec<Duration>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..samples {
        let mut kinds = [(0, one), (1, other)];
        // Not in a rhythm that something else may have: by the bits of the golden ratio.
        if 0x9e37_79b9_7f4a_7c15_u64.rotate_left(turn as u32) & 1 == 1 {
            kinds.reverse();
        }
        for (place, (body, status)) in kinds {
            // No limit on attempts is met.
            world.clock.advance(HOUR);
            let request = post("/auth/v1/sessions").json(body);
            let began = Instant::now();
            let answer = world.call(request).await;
            times[place].push(began.elapsed());
            assert_eq!(answer.status, status, "{}", answer.text());
        }
    }
    times
}

#[tokio::test]
async fn an_unknown_address_takes_as_long_as_a_wrong_password() {
    let world = World::new().await;
    let wrong = credentials(EMAIL, "not the password at all here");
    let unknown = credentials("eve@example.test", "not the password at all here");
    let kinds = [(&wrong, StatusCode::UNAUTHORIZED), (&unknown, StatusCode::UNAUTHORIZED)];
    let [wrong, unknown] = compare(&world, kinds, SAMPLES).await;
    let precedence = precedence(&wrong, &unknown);
    println!("a wrong password is answered sooner than an unknown address in {precedence:.3} of the pairs");
    assert!(
        (precedence - 0.5).abs() < SUSPICIOUS,
        "{precedence}: the time tells which addresses have accounts"
    );
}

#[tokio::test]
async fn what_takes_another_time_is_told_apart() {
    let world = World::new().await;
    // An empty password is refused before anything is hashed.
    let wrong = credentials(EMAIL, "not the password at all here");
    let none = credentials(EMAIL, "");
    let kinds = [(&wrong, StatusCode::UNAUTHORIZED), (&none, StatusCode::BAD_REQUEST)];
    let [wrong, none] = compare(&world, kinds, 20).await;
    assert!(precedence(&none, &wrong) > 0.5 + SUSPICIOUS);
    assert!(precedence(&wrong, &none) < 0.5 - SUSPICIOUS);

    let ms = |times: [u64; 4]| times.map(Duration::from_millis);
    let half = precedence(&ms([1, 2, 3, 4]), &ms([1, 2, 3, 4]));
    assert!((half - 0.5).abs() < 1e-9);
    let most = precedence(&ms([1, 2, 3, 4]), &ms([2, 3, 4, 5]));
    assert!((most - 0.71875).abs() < 1e-9, "{most}");
}
