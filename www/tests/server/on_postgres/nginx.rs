//! Three servers behind nginx, as the README says: its very blocks, but for addresses.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fiftyten_fleet::{Browser, Entry, Ledger, Target, What};
use fiftyten_server::store::{PostgresStore, PostgresUrl, Store};
use tempfile::TempDir;

use super::{database, start};
use crate::cluster::Cluster;
use crate::fleet::{self, ORIGIN};
use crate::process::{Client, PATIENCE, Process};
use crate::world::{EMAIL, PASSWORD};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

const FLAGS: [&str; 8] = [
    "--public-url",
    ORIGIN,
    "--trusted-proxy",
    "127.0.0.1/32",
    "--token-lifetime",
    "12s",
    "--refresh-in",
    "4s",
];
const CYCLE: Duration = Duration::from_secs(4);

const BROWSERS: usize = 300;

/// What the README says of nginx over several servers: what stands beside the `server`, and what in it.
fn blocks() -> (String, String) {
    let text = fs::read_to_string(README).unwrap();
    let all: Vec<&str> =
        text.split("```nginx\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    let place = all.iter().position(|block| block.starts_with("upstream fiftyten {")).unwrap();
    (all[place].to_owned(), all[place + 1].to_owned())
}

struct Nginx {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Nginx {
    fn start(servers: &[Process], change: impl FnOnce(String) -> String) -> Self {
        let (mut upstream, locations) = blocks();
        for (number, server) in servers.iter().enumerate() {
            let documented = format!("10.0.0.{}:8080", number + 1);
            assert!(upstream.contains(&documented), "the README says {documented}");
            upstream = upstream.replace(&documented, &server.address.to_string());
        }
        let locations = change(locations);
        let folder = TempDir::new().unwrap();
        // Its workers are another user.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let at = folder.path().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .collect();
        let configuration = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}{upstream}server {{\nlisten {address};\n{locations}}}\n}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), configuration).unwrap();
        // The shell ends it when its standard input ends, which it does when the tests are killed too.
        let child = Command::new("/bin/sh")
            .args(["-c", r#""$@" & nginx=$!; read -r _; kill -TERM $nginx; wait $nginx"#, "sh"])
            .arg(program())
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let nginx = Self { child, folder, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < PATIENCE, "nginx does not start: {}", nginx.errors());
            thread::sleep(Duration::from_millis(20));
        }
        nginx
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    fn client(&self) -> Client {
        Client::to(self.address, ORIGIN)
    }

    fn target(&self) -> Target {
        Target { url: format!("http://{}/auth", self.address), origin: ORIGIN.to_owned() }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Debian keeps it off the PATH of those who are not root.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join("nginx")).find(|file| file.is_file());
    found.expect("nginx is missing: apt-get install nginx")
}

/// Three servers, and the URL of their database.
fn servers(cluster: &Cluster) -> (Vec<Process>, String) {
    let url = database(cluster);
    ((0..3).map(|_| start(&url, &FLAGS)).collect(), url)
}

#[test]
fn a_session_that_was_made_through_one_is_refreshed_and_ended_by_all() {
    let cluster = Cluster::shared();
    let (servers, _) = servers(&cluster);
    let nginx = Nginx::start(&servers, |locations| locations);
    let mut client = nginx.client();
    let reply = client.sign_in(EMAIL, PASSWORD).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.body);
    let (cookie, id) = (reply.cookie(), reply.json()["session"]["id"].clone());
    for _ in 0..9 {
        let reply = client.refresh(&cookie).unwrap();
        assert_eq!((reply.status, &reply.json()["session"]["id"]), (200, &id));
    }
    assert_eq!(client.call("DELETE", "/auth/v1/session", &cookie, "").unwrap().status, 204);
    for _ in 0..9 {
        let reply = client.refresh(&cookie).unwrap();
        assert_eq!((reply.status, &reply.json()["code"]), (401, &"session_revoked".into()));
    }
    for server in servers {
        server.signal("TERM");
        let (_, log) = server.wait();
        assert!(log.matches("\"reason\":\"timer\"").count() >= 6, "each has its share: {log}");
        assert!(!log.contains("trusted_proxy"), "{log}");
    }
    assert_eq!(nginx.errors(), "");
}

/// Three servers behind nginx, and browsers that refresh through it.
struct Site {
    nginx: Nginx,
    servers: Vec<Process>,
    url: String,
    ledger: Arc<Ledger>,
    browsers: Vec<Browser>,
    _cluster: Arc<Cluster>,
}

impl Site {
    /// `change` what the README says of the locations.
    async fn open(change: fn(String) -> String) -> Self {
        let cluster = Cluster::shared();
        let shared = Arc::clone(&cluster);
        let started = tokio::task::spawn_blocking(move || {
            let (servers, url) = servers(&shared);
            (Nginx::start(&servers, change), servers, url)
        });
        let (nginx, servers, url) = started.await.unwrap();
        let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
        let user = store.find_account(EMAIL).await.unwrap().unwrap().user.id;
        let sessions = fleet::open_sessions(&store, &user, BROWSERS).await;
        let ledger = Arc::new(Ledger::new());
        let browsers = fleet::open_browsers(&sessions, &[nginx.target()], CYCLE, &ledger).await;
        let all: Vec<&Browser> = browsers.iter().collect();
        assert!(fleet::until_fresh(&all, PATIENCE).await.is_some());
        Self { nginx, servers, url, ledger, browsers, _cluster: cluster }
    }

    /// One of the servers dies with requests under way. Where it was.
    async fn lose_a_server(&mut self) -> SocketAddr {
        let dies = self.servers.remove(0);
        let address = dies.address;
        // What it is asked in this time is under way when it dies.
        dies.signal("STOP");
        tokio::time::sleep(Duration::from_millis(500)).await;
        dies.kill();
        tokio::time::sleep(CYCLE).await;
        address
    }

    /// What browsers were answered other than a token.
    fn others(&self) -> Vec<Entry> {
        let other =
            |entry: &Entry| matches!(entry.what, What::Answered { status, .. } if status != Some(200));
        self.ledger.entries().into_iter().filter(other).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_servers_dies_under_load_and_no_page_notices() {
    let mut site = Site::open(|locations| locations).await;
    let address = site.lose_a_server().await;
    let url = site.url.clone();
    let revived = tokio::task::spawn_blocking(move || {
        let address = address.to_string();
        let flags = [&["--listen", &address], &FLAGS[..]].concat();
        let server = Process::start_at(Path::new(&url), &flags);
        // It is asked again when nginx has forgotten the failure.
        thread::sleep(Duration::from_secs(5) + CYCLE / 2);
        server.signal("TERM");
        server.wait().1
    });
    let log = revived.await.unwrap();
    assert!(log.matches("\"reason\":\"timer\"").count() > 10, "it has its share again: {log}");
    let others = site.others();
    assert!(others.is_empty(), "{others:?} {}", site.nginx.errors());
    assert!(fleet::false_sign_outs(&site.ledger, &BTreeSet::new()).is_empty());
    assert_eq!(fleet::fresh(&site.browsers).await, BROWSERS);
    assert!(site.ledger.load().iter().sum::<u64>() > 3 * BROWSERS as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nginx_may_not_repeat_a_refresh_pages_see_the_failure_and_nobody_is_signed_out() {
    let mut site = Site::open(|locations| {
        assert!(locations.contains(" non_idempotent"));
        locations.replace(" non_idempotent", "")
    })
    .await;
    site.lose_a_server().await;
    let others = site.others();
    let bad_gateway = |entry: &Entry| matches!(entry.what, What::Answered { status: Some(502), .. });
    assert!(others.iter().any(bad_gateway), "{others:?}");
    assert!(fleet::false_sign_outs(&site.ledger, &BTreeSet::new()).is_empty());
    assert_eq!(fleet::fresh(&site.browsers).await, BROWSERS);
}
