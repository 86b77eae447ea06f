//! A PostgreSQL server of the tests' own: in a temporary folder, at a port of its own, gone with the tests.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub(crate) mod pair;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The owner of the databases, and a password that has to be written with care.
pub(crate) const OWNER: &str = "ada";
pub(crate) const PASSWORD: &str = "pw-canary/?@%";
pub(crate) const ENCODED: &str = "pw-canary%2F%3F%40%25";

/// Everyone's, as long as anyone uses it.
static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

pub(crate) struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    settings: Vec<String>,
    pub(crate) port: u16,
    running: Mutex<Option<Child>>,
}

impl Cluster {
    /// The one that tests share which leave the others alone: they have a database each.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return cluster;
        }
        let cluster = Arc::new(Self::start(&[]));
        *shared = Arc::downgrade(&cluster);
        cluster
    }

    /// One that a test may stop, or that has settings of its own.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, |_| {})
    }

    /// Calls `prepare` with the data folder before the server starts.
    pub(crate) fn start_with(settings: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let cluster = Self::new(settings);
        let data = cluster.data();
        let password = cluster.folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        give(&[&password]);
        let mut initdb = cluster.program("initdb");
        initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]);
        initdb.args(["--no-sync", "--pwfile=password", "data"]);
        must(&mut initdb);
        prepare(&data);
        let files: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
        give(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
        cluster.go_on();
        cluster.block_on(async |cluster| {
            let client = cluster.superuser("postgres").await;
            let role = format!("CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'");
            client.batch_execute(&role).await.unwrap();
        });
        cluster
    }

    /// An empty folder, and a port.
    fn new(settings: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
        give(&[folder.path(), &data]);
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, programs: programs(), settings, port, running: Mutex::new(None) }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs.
    fn program(&self, name: &str) -> Command {
        as_nobody_special(&self.programs.join(name), self.folder.path())
    }

    /// Starts the server, which does not run.
    pub(crate) fn go_on(&self) {
        let log = self.folder.path().join("log");
        let output = File::create(&log).unwrap();
        // The shell ends the server when its standard input ends, which it does when the tests are killed too.
        let mut shell = as_nobody_special(Path::new("/bin/sh"), self.folder.path());
        shell.args([
            "-c",
            r#""$@" & server=$!; read -r signal; kill -"${signal:-QUIT}" $server; kill -CONT $server; wait $server"#,
        ]);
        shell.arg("sh").arg(self.programs.join("postgres")).args(["-D", "data"]);
        let port = format!("port={}", self.port);
        let usual = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", &port];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            shell.args(["-c", setting]);
        }
        shell.stdin(Stdio::piped()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = shell.spawn().unwrap();
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&log).unwrap();
            if text.contains("ready to accept ") {
                break;
            }
            let over = began.elapsed() > PATIENCE || text.contains("is shut down");
            assert!(!over, "PostgreSQL does not start: {text}");
            thread::sleep(Duration::from_millis(20));
        }
        *self.running.lock().unwrap() = Some(child);
    }

    /// Stops the server as an operator does: what is under way is cut off.
    pub(crate) fn stop(&self) {
        self.end("INT");
    }

    /// The server ends at once, as if its machine had.
    pub(crate) fn crash(&self) {
        self.end("QUIT");
    }

    fn end(&self, signal: &str) {
        let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(mut child) = running {
            // It may have ended by itself.
            let _ = writeln!(child.stdin.take().unwrap(), "{signal}");
            let _ = child.wait();
        }
    }

    /// The URL of a new, empty database that belongs to [`OWNER`].
    pub(crate) async fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("db{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let make = format!("CREATE DATABASE {name} OWNER {OWNER}");
        self.superuser("postgres").await.batch_execute(&make).await.unwrap();
        self.url(&name)
    }

    /// The owner's URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{OWNER}:{ENCODED}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection that may do everything, to the database of a URL or of a name.
    pub(crate) async fn superuser(&self, database: &str) -> Client {
        let name = database.rsplit('/').next().unwrap().split('?').next().unwrap();
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").password(PASSWORD).dbname(name);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// For tests that have no runtime.
    pub(crate) fn block_on<T: Send>(&self, job: impl AsyncFnOnce(&Self) -> T + Send) -> T {
        // A thread of its own, because the caller's may have a runtime.
        thread::scope(|scope| {
            let job = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(job(self))
            });
            job.join().unwrap()
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It does not wait for anyone.
        self.crash();
    }
}

/// The folder of the newest `initdb` and `postgres`: Debian keeps them off the PATH.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.path().into())
        .filter_map(|folder: PathBuf| Some((folder.file_name()?.to_str()?.parse().ok()?, folder.join("bin"))))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev().map(|(_, folder)| folder));
    let has_both = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let found = folders.into_iter().find(has_both);
    // Beside `postgres` it finds its libraries, which it does not beside a link to itself.
    let real = found.map(|folder| fs::canonicalize(folder.join("postgres")).unwrap());
    real.expect("PostgreSQL is missing: apt-get install postgresql").parent().unwrap().to_owned()
}

/// PostgreSQL refuses to run as root: then it runs as `postgres`, or as `nobody`.
fn account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let both = |user| Some((id(&["-u", user])?, id(&["-g", user])?));
    Some(both("postgres").or_else(|| both("nobody")).expect("a user other than root"))
}

fn must(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn give(paths: &[&Path]) {
    if let Some((user, group)) = account() {
        for path in paths {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }
}

fn as_nobody_special(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}
