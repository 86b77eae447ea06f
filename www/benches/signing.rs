//! What it costs to sign a token: with either algorithm, beside the signature alone.
//!
//! `cargo bench -p fiftyten-server --bench signing` takes about half a minute, with `-- --quick` a few seconds. It
//! ends with a table of all costs as multiples of the first, measured in the same run.

#![allow(missing_docs, reason = "criterion's macros and a benchmark have no readers of documentation")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot start should stop")]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use chrono::{DateTime, TimeDelta};
use criterion::Criterion;
use fiftyten_server::key::{KeyPair, SigningAlgorithm};
use jwt_compact::{AlgorithmExt, Claims, Header, TimeOptions};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

/// What is measured, in the order of the table. The others are multiples of the first.
const CASES: [(&str, &str); 4] = [
    ("aws_lc_eddsa", "aws-lc-rs: an Ed25519 signature alone"),
    ("token_eddsa", "a token with EdDSA, as the server makes it"),
    ("aws_lc_es256", "aws-lc-rs: a P-256 signature alone"),
    ("token_es256", "a token with ES256, as the server makes it"),
];

fn main() {
    let started = SystemTime::now();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&output)
        .without_plots()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let signed = token(&KeyPair::generate(SigningAlgorithm::EdDsa));
    let message = signed.rsplit_once('.').unwrap().0.as_bytes();
    let raw = Ed25519KeyPair::generate().unwrap();
    criterion.bench_function("aws_lc_eddsa", |bench| bench.iter(|| raw.sign(black_box(message))));
    let raw = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let random = SystemRandom::new();
    criterion.bench_function("aws_lc_es256", |bench| {
        bench.iter(|| raw.sign(&random, black_box(message)).unwrap())
    });
    for (name, algorithm) in
        [("token_eddsa", SigningAlgorithm::EdDsa), ("token_es256", SigningAlgorithm::Es256)]
    {
        let pair = KeyPair::generate(algorithm);
        criterion.bench_function(name, |bench| bench.iter(|| token(black_box(&pair))));
    }
    criterion.final_summary();
    print_table(&output, started);
}

/// A token with the usual claims.
fn token(pair: &KeyPair) -> String {
    let claims: Value = json!({
        "iss": "https://app.example/auth", "aud": "https://app.example",
        "sub": "01980e6c6d3e7b1c9f432a6b8f0c1d2e", "sid": "01980e6c7a117c528e0d5b7f3a9c4e6d",
        "roles": ["admin", "support"], "permissions": ["orders:read", "orders:refund", "users:read"],
    });
    let options = TimeOptions::new(TimeDelta::zero(), || DateTime::from_timestamp(NOW, 0).unwrap());
    let claims = Claims::new(claims).set_duration_and_issuance(&options, TimeDelta::seconds(60));
    let header = Header::empty()
        .with_token_type("session+jwt")
        .with_key_id("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    pair.algorithm().token(&header, &claims, pair).unwrap()
}

/// Reads criterion's estimates of this run. One that a filter left out stands as `-`.
fn print_table(output: &Path, started: SystemTime) {
    let median_ns = |name: &str| {
        let file = output.join(name).join("new/estimates.json");
        let fresh = std::fs::metadata(&file).ok()?.modified().ok()? >= started;
        let estimates: Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64().filter(|_| fresh)
    };
    let Some(base) = median_ns(CASES[0].0) else { return }; // `--test`, `--list`, or a filter
    println!("{:<52} {:>12} {:>10}", "cost, median of this run", "µs", "ratio");
    for (name, title) in CASES {
        match median_ns(name) {
            Some(ns) => println!("{title:<52} {:>12.2} {:>9.3}x", ns / 1_000.0, ns / base),
            None => println!("{title:<52} {:>12} {:>10}", "-", "-"),
        }
    }
}
