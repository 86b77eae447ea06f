//! What it costs to know who sends a request: a signature, a row of a database, or a password hash.
//!
//! `cargo bench -p fiftyten-verify` takes about a minute, with `-- --quick` about ten seconds. It ends
//! with a table of all costs as multiples of the first, measured in the same run.
//!
//! A row of a warm SQLite file in the same process costs less than a signature does, and the table says
//! so. What a token saves is not that read: it is that every backend needs a way to the session
//! database, over a network, with its load and its outages.

#![allow(missing_docs, reason = "criterion's macros and a benchmark have no readers of documentation")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot start should stop")]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64UrlUnpadded, Encoding};
use criterion::{Criterion, SamplingMode};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier as _};
use fiftyten_verify::{CacheLimits, Expect, Verifier};
use jwt_compact::{AlgorithmExt as _, TimeOptions, UntrustedToken, alg::Ed25519};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;
const SESSIONS: u64 = 100_000;

/// What is measured, in the order of the table. The others are multiples of the first.
const CASES: [(&str, &str); 11] = [
    ("verify", "fiftyten-verify: a token, all checks"),
    ("cached", "fiftyten-verify: a token that is in the cache"),
    ("followed", "the same, with a revocation feed (feature feed)"),
    ("aws_lc_parsed", "aws-lc-rs: its signature alone, key parsed"),
    ("aws_lc", "aws-lc-rs: its signature alone, key as bytes"),
    ("ring", "ring: its signature alone"),
    ("dalek_strict", "ed25519-dalek: its signature alone, verify_strict"),
    ("dalek", "ed25519-dalek: its signature alone, verify"),
    ("jwt_compact", "jwt-compact: the token, signature and exp"),
    ("sqlite", "SQLite: a session row by its primary key"),
    ("argon2id", "argon2id: a password, m=19456 t=2 p=1"),
];

fn main() {
    let started = SystemTime::now();
    // A place that does not depend on how cargo was called, to read the estimates from.
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("criterion");
    let mut criterion = Criterion::default()
        .output_directory(&output)
        .without_plots()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    tokens(&mut criterion);
    sqlite(&mut criterion);
    argon2id(&mut criterion);
    criterion.final_summary();
    print_table(&output, started);
}

fn tokens(criterion: &mut Criterion) {
    let signing = SigningKey::from_bytes(&[7; 32]);
    let public = signing.verifying_key();
    let token = token(&signing);
    let jwks =
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": KID, "x": base64url(public.as_bytes())}]});
    let expect = Expect::new("https://app.example/auth", "https://app.example");
    let verifier = Verifier::from_jwks(&jwks.to_string(), expect).unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs());
    criterion.bench_function("verify", |bench| {
        bench.iter(|| verifier.verify_at(black_box(&token), now).unwrap());
    });
    let caching = verifier.clone().with_cache(CacheLimits::new());
    caching.verify_at(&token, now).unwrap();
    criterion.bench_function("cached", |bench| {
        bench.iter(|| caching.verify_at(black_box(&token), now).unwrap());
    });

    #[cfg(feature = "feed")]
    {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        let following = caching.clone().with_feed(fiftyten_verify::RevocationFeed::new(feed(), "x")).unwrap();
        while !following.feed().unwrap().is_current {
            std::thread::sleep(Duration::from_millis(10));
        }
        criterion.bench_function("followed", |bench| {
            bench.iter(|| following.verify_at(black_box(&token), now).unwrap());
        });
        let status = following.feed().unwrap();
        assert_eq!((status.sessions, status.unchecked), (10_000, 0));
    }

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = Signature::from_slice(&Base64UrlUnpadded::decode_vec(signature).unwrap()).unwrap();
    let message = signed.as_bytes();
    raw(criterion, public.as_bytes(), message, &signature.to_bytes());
    criterion.bench_function("dalek_strict", |bench| {
        bench.iter(|| public.verify_strict(black_box(message), &signature).unwrap());
    });
    criterion.bench_function("dalek", |bench| {
        bench.iter(|| public.verify(black_box(message), &signature).unwrap());
    });

    let options =
        TimeOptions::new(chrono::Duration::zero(), || chrono::DateTime::from_timestamp(NOW, 0).unwrap());
    criterion.bench_function("jwt_compact", |bench| {
        bench.iter(|| {
            let untrusted = UntrustedToken::new(black_box(token.as_str())).unwrap();
            let token = Ed25519.validator::<Value>(&public).validate(&untrusted).unwrap();
            token.claims().validate_expiration(&options).unwrap();
            token
        });
    });
}

/// The address of a feed that tells of ten thousand sessions, and then only that it is there.
#[cfg(feature = "feed")]
fn feed() -> String {
    use std::io::{Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let mut text = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n\
            event: start\ndata: {\"token_lifetime_ms\":60000}\n\n"
            .to_owned();
        for ids in (0..10_000).collect::<Vec<_>>().chunks(200) {
            let ids: Vec<_> = ids.iter().map(|id| format!("{id:032x}")).collect();
            text.push_str(&format!("event: ended\ndata: {}\n\n", json!({ "sessions": ids })));
        }
        while stream.write_all(text.as_bytes()).is_ok() {
            text = "event: heartbeat\ndata: {}\n\n".to_owned();
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    url
}

/// The signature alone, with the libraries that are written in C and assembly.
fn raw(criterion: &mut Criterion, key: &[u8; 32], message: &[u8], signature: &[u8; 64]) {
    let parsed = aws_lc_rs::signature::ParsedPublicKey::new(&aws_lc_rs::signature::ED25519, key).unwrap();
    criterion.bench_function("aws_lc_parsed", |bench| {
        bench.iter(|| parsed.verify_sig(black_box(message), signature).unwrap());
    });
    let bytes = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, key);
    criterion.bench_function("aws_lc", |bench| {
        bench.iter(|| bytes.verify(black_box(message), signature).unwrap());
    });
    let ring = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
    criterion.bench_function("ring", |bench| {
        bench.iter(|| ring.verify(black_box(message), signature).unwrap());
    });
}

const KID: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

/// A token as the refresh server makes them.
fn token(signing: &SigningKey) -> String {
    let header = json!({"alg": "EdDSA", "typ": "session+jwt", "kid": KID});
    let payload = json!({
        "iss": "https://app.example/auth", "aud": "https://app.example",
        "sub": "01980e6c-6d3e-7b1c-9f43-2a6b8f0c1d2e", "sid": "01980e6c-7a11-7c52-8e0d-5b7f3a9c4e6d",
        "iat": NOW, "exp": NOW + 60,
        "roles": ["admin", "support"], "permissions": ["orders:read", "orders:refund", "users:read"],
    });
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&payload));
    format!("{signed}.{}", base64url(&signing.sign(signed.as_bytes()).to_bytes()))
}

/// The lookup that a session cookie costs on every request where there is no token: warm, in the
/// same process, without the hash of the cookie and without a pool. A database over a network costs
/// a round trip more.
fn sqlite(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Connection::open(folder.path().join("sessions.sqlite")).unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database.pragma_update(None, "synchronous", "full").unwrap();
    let columns = "secret_hash BLOB PRIMARY KEY, id TEXT, user_id TEXT, created_at INTEGER, \
                   last_active_at INTEGER, expires_at INTEGER, ended_at INTEGER, user_agent TEXT";
    database.execute(&format!("CREATE TABLE sessions ({columns}) STRICT, WITHOUT ROWID"), []).unwrap();
    let filling = database.transaction().unwrap();
    for number in 0..SESSIONS {
        let row =
            params![key(number), format!("session-{number}"), format!("user-{number}"), NOW, NOW, NOW + 60];
        let insert =
            "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, 'Mozilla/5.0 (X11; Linux x86_64)')";
        filling.prepare_cached(insert).unwrap().execute(row).unwrap();
    }
    filling.commit().unwrap();

    let mut number = 0;
    criterion.bench_function("sqlite", |bench| {
        bench.iter(|| {
            number = (number + 7_919) % SESSIONS; // a prime: another row every time
            let select = "SELECT id, user_id, last_active_at, expires_at, ended_at FROM sessions WHERE secret_hash = ?1";
            let mut select = database.prepare_cached(select).unwrap();
            select
                .query_row([key(number)], |row| {
                    let texts: (String, String) = (row.get(0)?, row.get(1)?);
                    let times: (i64, i64, Option<i64>) = (row.get(2)?, row.get(3)?, row.get(4)?);
                    Ok((texts, times))
                })
                .unwrap()
        });
    });
}

/// 32 bytes that look as random as a hash.
fn key(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, chunk) in (1..).zip(bytes.chunks_mut(8)) {
        chunk.copy_from_slice(
            &(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.rotate_left(place)).to_be_bytes(),
        );
    }
    bytes
}

/// What signing in with a password costs.
fn argon2id(criterion: &mut Criterion) {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19_456, 2, 1, None).unwrap());
    let mut group = criterion.benchmark_group("slow");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.bench_function("argon2id", |bench| {
        bench.iter(|| {
            let mut hash = [0; 32];
            argon2
                .hash_password_into(black_box(b"correct horse battery staple"), &[3; 16], &mut hash)
                .unwrap();
            hash
        });
    });
    group.finish();
}

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

/// Reads criterion's estimates of this run. One that a filter left out stands as `-`.
fn print_table(output: &Path, started: SystemTime) {
    let median_ns = |name: &str| {
        let folder = if name == "argon2id" { output.join("slow").join(name) } else { output.join(name) };
        let file = folder.join("new/estimates.json");
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
