//! `keys …` on the command line, while servers run, and what they make of a master key.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use fiftyten_server::store::{KeySet, KeyState, SqliteStore, Store, StoredKey};
use tempfile::TempDir;

use crate::process::{Client, Process, command, failure, run};
use crate::world::{EMAIL, MINUTE, PASSWORD, decode};

/// A server reads its keys every 10 s. It may be late on a machine that has much else to do.
const LATE: Duration = Duration::from_secs(90);

fn ok(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn add_user(database: &str) {
    ok(&["user", "add", EMAIL, "--database", database, "--password-stdin"], &format!("{PASSWORD}\n"));
}

fn published(client: &mut Client) -> String {
    let reply = client.call("GET", "/auth/.well-known/jwks.json", "", "").unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body
}

/// The `kid` of a token that is made now.
fn signs(client: &mut Client, cookie: &str) -> String {
    let reply = client.refresh(cookie).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    decode(reply.json()["token"].as_str().unwrap()).0["kid"].as_str().unwrap().to_owned()
}

fn wait(what: &str, mut until: impl FnMut() -> bool) {
    let began = Instant::now();
    while !until() {
        assert!(began.elapsed() < LATE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The `kid` that a listing shows in this state.
fn listed(listing: &str, state: &str) -> String {
    let line = listing.lines().find(|line| line.split_whitespace().nth(2) == Some(state));
    line.unwrap_or_else(|| panic!("{listing}")).split_whitespace().next().unwrap().to_owned()
}

fn on_file<T>(file: &Path, job: impl AsyncFnOnce(&SqliteStore) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { job(&SqliteStore::open(file).unwrap()).await })
}

fn keys(file: &Path) -> Vec<StoredKey> {
    on_file(file, async |store| store.read_keys().await.unwrap().keys)
}

#[test]
fn new_keys_are_for_the_algorithm_that_is_in_use_unless_it_is_said_otherwise() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.db");
    let database = file.to_str().unwrap();
    drop(Process::start(&file, &["--key-algorithm", "ES256"]));
    let algorithms = |listing: String| {
        let of = |state| listing.lines().find(|line| line.contains(state)).unwrap().to_owned();
        [of("  current  "), of("  next  ")].map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
    };
    let listing = ok(&["keys", "list", "--database", database], "");
    let next = listed(&listing, "next");
    assert_eq!(algorithms(listing), ["ES256", "ES256"]);
    let retire = ["keys", "retire", &next, "--database", database];
    assert_eq!(
        algorithms(ok(&[&retire[..], &["--key-algorithm", "EdDSA"]].concat(), "")),
        ["ES256", "EdDSA"]
    );
    let replace = ["keys", "rotate", "--now", "--database", database];
    assert_eq!(algorithms(ok(&replace, "")), ["ES256", "ES256"], "what every verifier can check");
    assert_eq!(
        algorithms(ok(&[&replace[..], &["--key-algorithm", "EdDSA"]].concat(), "")),
        ["EdDSA", "EdDSA"]
    );
}

/// A file with a master key, and its digits.
fn master(folder: &TempDir, digit: char) -> (String, String) {
    let text = digit.to_string().repeat(64);
    (private_file(folder, &format!("master-{digit}"), &format!("{text}\n")), text)
}

fn private_file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Lets two servers live through an emergency; what the database is does not matter.
pub(crate) fn emergency(database: &str) {
    add_user(database);
    let servers = [(), ()].map(|()| Process::start(Path::new(database), &[]));
    let mut clients = servers.each_ref().map(Process::client);
    let cookie = clients[0].sign_in(EMAIL, PASSWORD).unwrap().cookie();
    let before = ok(&["keys", "list", "--database", database], "");
    let stolen = listed(&before, "current");
    for client in &mut clients {
        assert_eq!(signs(client, &cookie), stolen);
    }
    let after = ok(&["keys", "rotate", "--now", "--database", database], "");
    let (current, next) = (listed(&after, "current"), listed(&after, "next"));
    assert!(after.lines().count() == 2 && !before.contains(&current) && !before.contains(&next), "{after}");
    for client in &mut clients {
        // All the while there is an answer, and the session stands: `signs` sees to it.
        wait("a server goes on with the old key", || signs(client, &cookie) == current);
        let published = published(client);
        assert!(published.contains(&next) && !published.contains(&stolen), "{published}");
    }
    for server in servers {
        server.signal("TERM");
        assert!(server.wait().0.success());
    }
}

#[test]
fn an_emergency_rotation_reaches_every_server_and_signs_nobody_out() {
    let folder = TempDir::new().unwrap();
    emergency(folder.path().join("test.db").to_str().unwrap());
}

#[test]
fn keys_are_rotated_and_retired_by_command_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.db");
    let database = file.to_str().unwrap();
    add_user(database);
    let server = Process::start(&file, &[]);
    let mut client = server.client();
    let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    let listing = ok(&["keys", "list", "--database", database], "");
    let (first, second) = (listed(&listing, "current"), listed(&listing, "next"));
    let line = failure(&["keys", "rotate", "--database", database]);
    assert!(line.contains("not every verifier knows the next key yet: try again at 2"), "{line}");

    // As if twelve minutes had passed.
    on_file(&file, async |store| {
        let KeySet { version, mut keys, .. } = store.read_keys().await.unwrap();
        for key in keys.iter_mut().filter(|key| key.state == KeyState::Next) {
            key.changed_at -= 12 * MINUTE;
        }
        assert!(store.swap_keys(&version, keys).await.unwrap());
    });
    let listing = ok(&["keys", "rotate", "--database", database, "--key-algorithm", "es256"], "");
    assert_eq!((listed(&listing, "current"), listed(&listing, "retired")), (second.clone(), first.clone()));
    let es256 = listed(&listing, "next");
    assert!(listing.contains(&format!("{es256}  ES256  next     may sign from ")), "{listing}");
    wait("the server goes on with the old key", || signs(&mut client, &cookie) == second);
    let published_now = published(&mut client);
    assert!([&first, &second, &es256].into_iter().all(|kid| published_now.contains(kid)), "{published_now}");

    let none = "there is no such key";
    for (kid, why) in [(&*second, "this key signs"), ("nobody", none), ("-begins-with-a-hyphen", none)] {
        let line = failure(&["keys", "retire", kid, "--database", database]);
        assert!(line.contains(why), "{line}");
    }
    let listing = ok(&["keys", "retire", &first, "--database", database], "");
    assert!(!listing.contains(&first) && listing.lines().count() == 2, "{listing}");
    let listing = ok(&["keys", "retire", &es256, "--database", database], "");
    assert!(!listing.contains(&es256) && listing.contains("  ES256  next"), "{listing}");
    wait("the server publishes what is withdrawn", || {
        let published = published(&mut client);
        !published.contains(&first) && !published.contains(&es256)
    });
    assert_eq!(signs(&mut client, &cookie), second);
}

#[test]
fn a_master_key_seals_what_is_there_and_without_it_no_server_starts() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let file = data.join("test.db");
    let database = file.to_str().unwrap();
    let (mine, text) = master(&folder, 'a');
    let (wrong, _) = master(&folder, 'b');
    let both = private_file(&folder, "both", &format!("{}\n{text}\n", "b".repeat(64)));

    let server = Process::start(&file, &[]);
    let published_before = published(&mut server.client());
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("\"level\":\"WARN\"") && log.contains("LIE IN THE DATABASE UNENCRYPTED"), "{log}");
    let private: Vec<_> = keys(&file).into_iter().map(|key| key.private).collect();
    let lie_in = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let bytes = files.collect::<Vec<_>>().concat();
        private.iter().filter(|key| bytes.windows(32).any(|window| window == key.expose().as_slice())).count()
    };
    assert_eq!(lie_in(&data), 2, "the search finds what is there");

    let line = failure(&["keys", "seal", "--database", database]);
    assert!(line.contains("no master key to seal with"), "{line}");
    // A server that is at work keeps a log of what was written.
    let at_work = Process::start(&file, &["--master-key-file", &mine]);
    let mut seal = command();
    let seal = seal.args(["keys", "seal", "--database", database]).env("FIFTYTEN_MASTER_KEY", &text);
    let sealed = String::from_utf8(seal.output().unwrap().stdout).unwrap();
    assert!(sealed.lines().count() == 2 && sealed.lines().all(|line| line.ends_with("  sealed")), "{sealed}");
    assert_eq!(lie_in(&data), 0, "nor in what the file has free, nor in the log");
    assert_eq!(published(&mut at_work.client()), published_before);
    at_work.signal("TERM");
    at_work.wait();
    assert_eq!(lie_in(&data), 0);
    assert_eq!(ok(&["keys", "list", "--database", database], ""), sealed, "which needs no master key");

    let serve = ["serve", "--database", database, "--listen", "127.0.0.1:0"];
    let line = failure(&serve);
    assert!(line.contains("there is no master key: give the one it was sealed under"), "{line}");
    let line = failure(&[&serve[..], &["--master-key-file", &wrong]].concat());
    assert!(line.contains("sealed under another master key: give that one too"), "{line}");
    assert_eq!(
        ok(&["keys", "list", "--database", database], ""),
        sealed,
        "nothing is lost, and nothing made"
    );
    for good in [&mine, &both] {
        let server = Process::start(&file, &["--master-key-file", good]);
        assert_eq!(published(&mut server.client()), published_before);
        server.signal("TERM");
        let (_, log) = server.wait();
        assert!(!log.contains("UNENCRYPTED") && !log.contains("chmod"), "{log}");
        let advises = log.contains("keys seal");
        assert_eq!(advises, *good == both, "{log}");
    }
    fs::set_permissions(&mine, PermissionsExt::from_mode(0o644)).unwrap();
    let server = Process::start(&file, &["--master-key-file", &mine]);
    server.signal("TERM");
    assert!(server.wait().1.contains("may read the master key: chmod 600"), "and others may read it");
}

/// The ways in which bytes show up in a log.
fn forms(bytes: &[u8]) -> [String; 4] {
    let list = format!("{:?}", &bytes[..8]);
    [
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Base64::encode_string(&bytes[..24]),
        Base64UrlUnpadded::encode_string(&bytes[..24]),
        list.trim_end_matches(']').to_owned(),
    ]
}

/// Rotates under a server that logs all it can. What must not be in the log is not in it.
pub(crate) fn log_holds_no_key(database: &str, keys: impl Fn() -> Vec<StoredKey>) {
    let folder = TempDir::new().unwrap();
    let (mine, text) = master(&folder, 'd');
    add_user(database);
    let server = Process::start(Path::new(database), &["--log", "trace"]);
    let open = keys();
    let mut client = server.client();
    let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    ok(&["keys", "rotate", "--now", "--database", database], "");
    let (open, new) = (open, keys());
    let current = new.iter().find(|key| key.state == KeyState::Current).unwrap();
    wait("the server does not read the new keys", || signs(&mut client, &cookie) == current.kid);
    server.signal("TERM");
    let (_, mut log) = server.wait();
    let sealed = Process::start(Path::new(database), &["--log", "trace", "--master-key-file", &mine]);
    sealed.signal("TERM");
    log.push_str(&sealed.wait().1);
    assert!(log.contains("UNENCRYPTED") && log.contains("keys seal"), "it does log: {log}");
    assert!(!log.contains(&text) && !log.contains(&Base64::encode_string(&[0xdd; 24])));
    for key in open.iter().chain(&new) {
        assert!(!key.is_sealed);
        for form in forms(key.private.expose()) {
            assert!(!log.contains(&form), "{form}");
        }
    }
}

#[test]
fn neither_private_keys_nor_master_keys_are_in_the_log() {
    let folder = TempDir::new().unwrap();
    let file: PathBuf = folder.path().join("test.db");
    log_holds_no_key(file.to_str().unwrap(), || keys(&file));
}
