//! Threads that own connections. SQLite blocks, and the runtime must not.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{Result, StoreError};

/// Jobs that may wait. A primary-key read takes some microseconds and a durable write some
/// milliseconds, so a longer queue could only hold requests that nobody waits for any more.
const QUEUE: usize = 1024;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) struct Pool {
    /// `None` only while it is being dropped.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// One thread for each connection.
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Self {
        let (jobs, queue) = sync_channel(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections
            .into_iter()
            .map(|connection| {
                let queue = Arc::clone(&queue);
                thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(move || work(connection, &queue))
                    .expect("the operating system starts a handful of threads at start")
            })
            .collect();
        Self { jobs: Some(jobs), threads }
    }

    /// Runs `job` on the next free connection. What was begun is finished even if the caller goes away.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody may be waiting any more: then nobody needs the answer.
            let _ = answer.send(job(connection));
        });
        let stopped = || StoreError::Unavailable("it has been closed".to_owned());
        match self.jobs.as_ref().ok_or_else(stopped)?.try_send(job) {
            Ok(()) => answered.await.map_err(|_| stopped())?,
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn work(mut connection: Connection, queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut connection),
            Err(_) => return,
        }
    }
}
