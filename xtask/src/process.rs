//! Child processes: each has a limit in time, and none outlives this program.
//!
//! A child leads a process group of its own, so that what it starts ends with it. A terminal's
//! Ctrl-C therefore reaches only this program, which passes it on and waits.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// How long a child may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(8);

/// How often a child is looked at.
const GLANCE: Duration = Duration::from_millis(20);

static CHILDREN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static STOPPING: AtomicBool = AtomicBool::new(false);
static EXIT_CODE: AtomicI32 = AtomicI32::new(130);

/// How a child ended.
pub(crate) struct Ended {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// What it exited with, unless a signal ended it.
    pub(crate) code: Option<i32>,
    /// How it ended, for people: `exit status: 101`, `stopped after 600 s`.
    pub(crate) status: String,
    /// What it wrote to its standard output, where that was asked for.
    pub(crate) stdout: String,
}

/// What becomes of a child's standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// The terminal, alone.
    Shown,
    /// The terminal and [`Ended::stdout`].
    ShownAndKept,
    /// [`Ended::stdout`] alone.
    Kept,
}

/// Runs a command to its end, for `limit` at most.
pub(crate) fn run(command: &mut Command, stdout: Stdout, limit: Duration) -> Result<Ended> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null());
    if stdout != Stdout::Shown {
        command.stdout(Stdio::piped());
    }
    own_group(command);
    let mut child = register(command).map_err(|cause| not_started(&program, &cause))?;
    let reader = child.stdout.take().map(|pipe| read(pipe, stdout == Stdout::ShownAndKept));

    let start = Instant::now();
    let mut timed_out = false;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(GLANCE),
            Ok(None) => {
                timed_out = true;
                end(&mut child);
                break child.wait();
            }
            Err(cause) => break Err(cause),
        }
    };
    // Whatever it left behind goes too; otherwise the pipe stays open.
    signal(child.id(), Signal::Kill);
    forget(child.id());
    leave_the_end_to_the_handler();
    let status = status.map_err(|cause| Failure::new(format!("cannot wait for {program}: {cause}")))?;
    let kept = reader.and_then(|text| text.recv_timeout(GRACE).ok()).unwrap_or_default();
    Ok(Ended {
        success: status.success() && !timed_out,
        code: status.code(),
        status: if timed_out { format!("stopped after {} s", limit.as_secs()) } else { status.to_string() },
        stdout: kept,
    })
}

/// Runs a command that must succeed; `what` says what failed if it doesn't.
pub(crate) fn must(command: &mut Command, what: &str, limit: Duration) -> Result {
    let ended = run(command, Stdout::Shown, limit)?;
    if ended.success { Ok(()) } else { Err(Failure::new(format!("{what} failed ({})", ended.status))) }
}

/// Runs a command silently for its standard output; `None` where it is missing or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let ended = run(command.stderr(Stdio::null()), Stdout::Kept, Duration::from_secs(60)).ok()?;
    ended.success.then_some(ended.stdout)
}

/// From here on, Ctrl-C or a request to terminate ends the children first and then this program.
pub(crate) fn stop_children_on_signal() -> Result {
    ctrlc::set_handler(|| {
        let asked: Vec<u32> = {
            let children = children();
            STOPPING.store(true, Ordering::SeqCst);
            children.iter().copied().collect()
        };
        for id in &asked {
            signal(*id, Signal::Terminate);
        }
        let start = Instant::now();
        while !children().is_empty() && start.elapsed() < GRACE {
            thread::sleep(GLANCE);
        }
        for id in asked {
            signal(id, Signal::Kill);
        }
        std::process::exit(EXIT_CODE.load(Ordering::SeqCst));
    })
    .map_err(|cause| Failure::new(format!("cannot listen for Ctrl-C: {cause}")))
}

/// Being stopped is the normal end of what runs now: exit with 0.
pub(crate) fn stopping_is_success() {
    EXIT_CODE.store(0, Ordering::SeqCst);
}

fn children() -> MutexGuard<'static, BTreeSet<u32>> {
    CHILDREN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts the child under the lock: a signal that comes meanwhile finds it in the list.
fn register(command: &mut Command) -> std::io::Result<Child> {
    let mut children = children();
    if STOPPING.load(Ordering::SeqCst) {
        drop(children);
        leave_the_end_to_the_handler();
        return Err(std::io::ErrorKind::Interrupted.into());
    }
    let child = command.spawn()?;
    children.insert(child.id());
    Ok(child)
}

/// Once a signal has come, nothing more is started or said here.
fn leave_the_end_to_the_handler() {
    while STOPPING.load(Ordering::SeqCst) {
        thread::sleep(GRACE);
    }
}

fn forget(id: u32) {
    children().remove(&id);
}

fn not_started(program: &str, cause: &std::io::Error) -> Failure {
    if cause.kind() == std::io::ErrorKind::NotFound {
        Failure::new(format!("`{program}` is missing: install it, or put it on the PATH"))
    } else {
        Failure::new(format!("cannot start `{program}`: {cause}"))
    }
}

/// Collects what comes out of the pipe, and copies it to the terminal as it comes.
fn read(mut pipe: impl Read + Send + 'static, show: bool) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let piece = &buffer[..count];
            all.extend_from_slice(piece);
            if show {
                // A closed terminal is no reason to stop.
                let mut terminal = std::io::stdout().lock();
                let _ = terminal.write_all(piece).and_then(|()| terminal.flush());
            }
        }
        // The receiver may have given up.
        let _ = sender.send(String::from_utf8_lossy(&all).into_owned());
    });
    receiver
}

/// Asks the child to end, and makes it.
fn end(child: &mut Child) {
    signal(child.id(), Signal::Terminate);
    let start = Instant::now();
    while start.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(GLANCE);
    }
    signal(child.id(), Signal::Kill);
    // Where there are no groups, or it is dead already, this does what can be done.
    let _ = child.kill();
}

enum Signal {
    Terminate,
    Kill,
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// Signals a child's whole group. A group that is gone is what was wanted.
#[cfg(unix)]
fn signal(id: u32, signal: Signal) {
    use nix::sys::signal::{Signal as Number, killpg};
    use nix::unistd::Pid;
    let number = match signal {
        Signal::Terminate => Number::SIGTERM,
        Signal::Kill => Number::SIGKILL,
    };
    if let Ok(id) = i32::try_from(id) {
        let _ = killpg(Pid::from_raw(id), number);
    }
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

#[cfg(not(unix))]
fn signal(_id: u32, _signal: Signal) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn keeps_what_a_child_writes() {
        let ended = run(&mut shell("echo one; echo two"), Stdout::Kept, GRACE).unwrap();
        assert!(ended.success);
        assert_eq!(ended.stdout, "one\ntwo\n");
    }

    #[test]
    fn a_child_that_takes_too_long_is_stopped_with_all_it_started() {
        let start = Instant::now();
        let limit = Duration::from_millis(200);
        let ended = run(&mut shell("sleep 60 & sleep 60"), Stdout::Kept, limit).unwrap();
        assert!(!ended.success);
        assert!(ended.status.starts_with("stopped after"), "{}", ended.status);
        assert!(start.elapsed() < GRACE, "took {:?}", start.elapsed());
    }

    #[test]
    fn what_a_child_leaves_behind_is_stopped_too() {
        let start = Instant::now();
        let ended = run(&mut shell("sleep 60 & echo done"), Stdout::Kept, GRACE).unwrap();
        assert_eq!(ended.stdout, "done\n");
        assert!(start.elapsed() < GRACE, "took {:?}", start.elapsed());
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = run(&mut Command::new("no-such-program-here"), Stdout::Kept, GRACE).err().unwrap();
        assert_eq!(
            failure.to_string(),
            "`no-such-program-here` is missing: install it, or put it on the PATH"
        );
    }
}
