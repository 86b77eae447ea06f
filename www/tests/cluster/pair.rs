//! A primary with a synchronous standby, and what can befall the machine that the primary runs on.

#![allow(dead_code, reason = "each of the test programs uses a part of it")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::{Cluster, ENCODED, OWNER, PASSWORD, PATIENCE, must};

/// The name by which the primary knows its standby.
const STANDBY: &str = "standby";

/// What the primary has of the standby before it acknowledges a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replication {
    /// That the commit is on its disk.
    Synchronous,
    /// Nothing.
    Asynchronous,
}

pub(crate) struct Pair {
    pub(crate) primary: Cluster,
    pub(crate) standby: Cluster,
}

impl Pair {
    /// Returns when the standby has caught up.
    pub(crate) fn start(replication: Replication) -> Self {
        let primary = Cluster::start(&["wal_keep_size=256MB"]);
        let standby = Cluster::new(&["wal_keep_size=256MB"]);
        let from = format!(
            "host=127.0.0.1 port={} user=postgres password={PASSWORD} application_name={STANDBY}",
            primary.port
        );
        let mut copy = standby.program("pg_basebackup");
        must(copy.args([
            "--pgdata=data",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "-d",
            &from,
        ]));
        standby.go_on();
        let pair = Self { primary, standby };
        if replication == Replication::Synchronous {
            pair.primary.configure("synchronous_standby_names", STANDBY);
        }
        pair.wait_for_standby(replication);
        pair
    }

    /// Waits until the standby streams from the primary.
    pub(crate) fn wait_for_standby(&self, replication: Replication) {
        let expected = if replication == Replication::Synchronous { "sync" } else { "async" };
        let began = Instant::now();
        self.primary.block_on(async |primary| {
            let admin = primary.superuser("postgres").await;
            let ask = "SELECT 1 FROM pg_stat_replication WHERE sync_state = $1 AND state = 'streaming'";
            while admin.query(ask, &[&expected]).await.unwrap().is_empty() {
                assert!(began.elapsed() < PATIENCE, "the standby does not follow");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// The owner's URL of a new, empty database, wherever the primary is.
    pub(crate) fn database(&self) -> String {
        let url = self.primary.block_on(async |primary| primary.database().await);
        self.url(url.rsplit('/').next().unwrap())
    }

    /// The owner's URL of a database, wherever the primary is.
    pub(crate) fn url(&self, database: &str) -> String {
        let (one, two) = (self.primary.port, self.standby.port);
        format!(
            "postgres://{OWNER}:{ENCODED}@127.0.0.1:{one},127.0.0.1:{two}/{database}?target_session_attrs=read-write"
        )
    }

    /// Makes the standby the primary, once the old primary is fenced: not one of its processes is left, so that
    /// it can neither acknowledge nor answer anything any more.
    pub(crate) fn fail_over(&self) {
        self.primary.kill();
        assert!(self.primary.processes().is_empty(), "the old primary is fenced");
        self.standby.promote();
    }
}

impl Cluster {
    /// Changes a setting of the server while it runs.
    pub(crate) fn configure(&self, name: &str, value: &str) {
        self.block_on(async |cluster| {
            let admin = cluster.superuser("postgres").await;
            let set = format!("ALTER SYSTEM SET {name} = '{value}'");
            // Of these, none can run in a transaction with another. None is to wait for a standby.
            for statement in ["SET synchronous_commit = local", &set, "SELECT pg_reload_conf()"] {
                admin.batch_execute(statement).await.unwrap();
            }
            let began = Instant::now();
            let ask = format!("SHOW {name}");
            while admin.query_one(&ask, &[]).await.unwrap().get::<_, &str>(0) != value {
                assert!(began.elapsed() < PATIENCE, "{name} does not change");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }

    /// Makes a primary of a standby; returns when it can be written to.
    pub(crate) fn promote(&self) {
        self.block_on(async |cluster| {
            let admin = cluster.superuser("postgres").await;
            let promoted = admin.query_one("SELECT pg_promote(true, 60)", &[]).await.unwrap();
            assert!(promoted.get::<_, bool>(0), "it becomes the primary");
        });
    }

    /// Every process of the server ends where it stands (SIGKILL), even one that is frozen: the machine is off.
    pub(crate) fn kill(&self) {
        // First the one that would start others.
        self.freeze();
        signal("-KILL", &self.processes());
        self.end("KILL");
        let began = Instant::now();
        while !self.processes().is_empty() {
            assert!(began.elapsed() < PATIENCE, "the processes do not end");
            thread::sleep(Duration::from_millis(5));
        }
        // It would name a process that has long been another.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
    }

    /// Every process stands still (SIGSTOP): the network accepts connections, and nothing is ever answered.
    pub(crate) fn freeze(&self) {
        let parent: Vec<u32> = self.parent().into_iter().collect();
        signal("-STOP", &parent);
        signal("-STOP", &self.processes());
    }

    /// A frozen server goes on.
    pub(crate) fn thaw(&self) {
        signal("-CONT", &self.processes());
    }

    /// The server's first process, if it runs.
    fn parent(&self) -> Option<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        file.lines().next()?.parse().ok().filter(|&process| parent_of(process).is_some())
    }

    /// The server's first process, and its children, which are all there are.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let Some(parent) = self.parent() else { return Vec::new() };
        let all =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let children = all.filter(|&process| parent_of(process) == Some(parent));
        [parent].into_iter().chain(children).collect()
    }
}

/// The parent of a process that has not ended.
fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The name before it may contain anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.next()?.parse().ok() }
}

fn signal(name: &str, processes: &[u32]) {
    if processes.is_empty() {
        return;
    }
    // One may have ended meanwhile.
    let _ = Command::new("kill").arg(name).args(processes.iter().map(u32::to_string)).output();
}
