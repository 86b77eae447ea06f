//! What a flood of sign-ins does to refreshes: their latency while argon2 runs at full tilt, beside that of the
//! same server at rest.
//!
//! `cargo bench -p fiftyten-server --bench flood`, about a minute. The server is a process of its own, over a
//! SQLite file; the rounds alternate, so that what else the machine does meets both.

#![allow(missing_docs, reason = "a benchmark has no readers of documentation")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::print_stdout, reason = "a benchmark talks to its terminal")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use process::{Process, run};
use tempfile::TempDir;

#[allow(dead_code, reason = "not all that the tests use")]
#[path = "../tests/server/process.rs"]
mod process;

/// What `process` needs of the tests' world.
mod world {
    use serde_json::{Value, json};

    pub(crate) fn credentials(email: &str, password: &str) -> Value {
        json!({ "email": email, "password": password })
    }
}

const EMAIL: &str = "ada@example.test";
const PASSWORD: &str = "correct horse battery";

/// Sign-ins at a time: enough that the pool for hashes is never idle, and none is turned away unchecked.
const ATTACKERS: u64 = 32;

const ROUNDS: usize = 8;
const ROUND: Duration = Duration::from_secs(3);

/// One refresh so often, whatever became of the last: a late answer makes the next ones late too, as it does to
/// users.
const PACE: Duration = Duration::from_millis(5);

fn main() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("flood.db");
    let add = ["user", "add", EMAIL, "--password-stdin", "--database", file.to_str().unwrap()];
    assert!(run(&add, PASSWORD).status.success());
    // The attackers come from many addresses, or the limit on each would turn them away.
    let server = Process::start(&file, &["--trusted-proxy", "127.0.0.1/32"]);
    let cookie = server.client().sign_in(EMAIL, PASSWORD).unwrap().cookie();
    refreshes(&server, &cookie, Duration::from_millis(500));

    let (mut quiet, mut flooded, mut hashes) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        quiet.extend(refreshes(&server, &cookie, ROUND));
        let flood = Flood::start(&server);
        thread::sleep(Duration::from_millis(300));
        flooded.extend(refreshes(&server, &cookie, ROUND));
        hashes += flood.stop();
    }
    quiet.sort_unstable();
    flooded.sort_unstable();
    let took = (ROUND + Duration::from_millis(300)).as_secs_f64() * ROUNDS as f64;
    println!("{:.0} sign-ins a second by {ATTACKERS} at a time", hashes as f64 / took);
    println!("{:<12}{:>12}{:>12}{:>10}", "refresh", "at rest", "in a flood", "ratio");
    for (name, place) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        let of = |times: &[Duration]| times[(times.len() as f64 * place) as usize].as_secs_f64() * 1e3;
        let (rest, flood) = (of(&quiet), of(&flooded));
        println!("{name:<12}{rest:>9.2} ms{flood:>9.2} ms{:>9.2}x", flood / rest);
    }
}

/// How long refreshes took, from when each was due to its answer.
fn refreshes(server: &Process, cookie: &str, during: Duration) -> Vec<Duration> {
    let mut client = server.client();
    let start = Instant::now();
    let due = (0u32..).map(|number| start + PACE * number);
    due.take_while(|due| *due < start + during)
        .map(|due| {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            assert_eq!(client.refresh(cookie).unwrap().status, 200);
            due.elapsed()
        })
        .collect()
}

/// Attackers that guess passwords, each as soon as its last guess was answered.
struct Flood {
    over: Arc<AtomicBool>,
    checked: Arc<AtomicU64>,
    attackers: Vec<thread::JoinHandle<()>>,
}

impl Flood {
    fn start(server: &Process) -> Self {
        let (over, checked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let attackers = (0..ATTACKERS)
            .map(|attacker| {
                let mut client = server.client();
                let (over, checked) = (Arc::clone(&over), Arc::clone(&checked));
                thread::spawn(move || {
                    for guess in 0u64.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let email = format!("{attacker}-{guess}@example.test");
                        let body = world::credentials(&email, "guess").to_string();
                        let from = format!("10.{attacker}.{}.{}", guess / 250 % 250, guess % 250);
                        let request = client.request("POST", "/auth/v1/sessions", "", &body);
                        let request =
                            request.replacen("host: x", &format!("host: x\r\nx-forwarded-for: {from}"), 1);
                        client.send(&request).unwrap();
                        match client.reply().unwrap().status {
                            401 => checked.fetch_add(1, Ordering::Relaxed),
                            // It was not the one of the many whose turn it is.
                            503 => 0,
                            status => panic!("answered {status}"),
                        };
                    }
                })
            })
            .collect();
        Self { over, checked, attackers }
    }

    /// Ends it; the number of passwords that were checked.
    fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        for attacker in self.attackers {
            attacker.join().expect("an attacker's answers are 401 and 503");
        }
        self.checked.load(Ordering::Relaxed)
    }
}
