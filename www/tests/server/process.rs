//! The binary as a process of its own, and a client that speaks HTTP/1.1 to it over a plain socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where it listens to the app's own servers, if it was told to.
    pub(crate) admin: Option<SocketAddr>,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts the server on a port of its own; returns when it listens.
    pub(crate) fn start(database: &Path, flags: &[&str]) -> Self {
        Self::start_at(database, &[&["--listen", "127.0.0.1:0"], flags].concat())
    }

    /// Starts it where the flags say.
    pub(crate) fn start_at(database: &Path, flags: &[&str]) -> Self {
        allow_files();
        let mut child = command()
            .args(["serve", "--log-format", "json", "--database"])
            .arg(database)
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (mut address, mut admin) = (None, None);
        while address.is_none() {
            let line = lines.next().expect("the server says that it listens").unwrap();
            let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            let read = |name: &str| entry[name].as_str().map(|address| address.parse().unwrap());
            (address, admin) = (read("address"), admin.or(read("admin_address")));
            log.lock().unwrap().push_str(&line);
        }
        let rest = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = rest.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, address: address.unwrap(), admin, log, reader: Some(reader) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// A client whose pages are elsewhere than at this server's port.
    pub(crate) fn client_of(&self, origin: &str) -> Client {
        Client::to(self.address, origin)
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end; returns how it ended and what it logged.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the server does not end");
            thread::sleep(Duration::from_millis(5));
        };
        self.reader.take().unwrap().join().unwrap();
        (status, self.log.lock().unwrap().clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets this process, and those that it starts, have as many files and connections open as they ever may.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fiftyten-server"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FIFTYTEN_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end, with `input` on standard input.
pub(crate) fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one line with which a command that fails says why.
pub(crate) fn failure(arguments: &[&str]) -> String {
    let output = run(arguments, "");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.trim_end().to_owned()
}

/// One connection, kept alive.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    origin: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{}", self.body))
    }

    pub(crate) fn cookie(&self) -> String {
        header(&self.head, "set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }
}

/// The value of a header, which a proxy may write in another case.
fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), origin: format!("http://localhost:{}", address.port()) })
    }

    /// A client whose pages are of another origin than the address.
    pub(crate) fn to(address: SocketAddr, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..Self::connect(address).unwrap() }
    }

    pub(crate) fn call(&mut self, method: &str, path: &str, cookie: &str, body: &str) -> io::Result<Reply> {
        let request = self.request(method, path, cookie, body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    pub(crate) fn request(&self, method: &str, path: &str, cookie: &str, body: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nx-fiftyten: 1\r\norigin: {}\r\ncookie: {cookie}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.origin,
            body.len()
        )
    }

    pub(crate) fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// The bytes until the server hangs up.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }

    pub(crate) fn reply(&mut self) -> io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = header(&head, "content-length");
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        Ok(Reply { status, head, body: String::from_utf8(body).unwrap() })
    }

    pub(crate) fn sign_in(&mut self, email: &str, password: &str) -> io::Result<Reply> {
        let body = crate::world::credentials(email, password).to_string();
        self.call("POST", "/auth/v1/sessions", "", &body)
    }

    pub(crate) fn refresh(&mut self, cookie: &str) -> io::Result<Reply> {
        self.call("POST", "/auth/v1/refresh?reason=timer&active=1", cookie, "")
    }
}
