//! Accepting connections: how many, how slow they may be, and how they end.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use tower::Service;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time; more wait to be accepted. 10,000 by default.
    pub connections: usize,
    /// The head of a request has to arrive within this time of its first byte, or of the connection's start;
    /// and the client may leave an answer lying no longer. 10 s by default.
    pub head: Duration,
    /// A connection without a request is kept so long: 75 s by default. That is longer than a client's fifty
    /// seconds, and than the sixty for which nginx keeps its connections to us, so that it is the other side
    /// that hangs up, and no request is lost to a connection that is just being closed.
    pub idle: Duration,
    /// Requests that have begun are given this time to finish when the server stops: 10 s by default.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            shutdown: Duration::from_secs(10),
        }
    }
}

/// Largest head of a request in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// After a failed accept (usually: no file descriptors left), this is how long to wait.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens at `address`.
///
/// # Errors
///
/// One line that names the address.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|error| ListenError { address, error })
}

/// An address that cannot be listened at.
#[derive(Debug)]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        match error.kind() {
            io::ErrorKind::AddrInUse => write!(f, "cannot listen at {address}: the port is in use"),
            _ => write!(f, "cannot listen at {address}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}

/// Answers requests with `router` until `shutdown` is ready; then finishes those that have begun.
///
/// Each request carries its peer's address as [`ConnectInfo`].
///
/// # Errors
///
/// None at present: a connection that fails concerns nobody else.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => (place, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // A refresh is one small packet: it should not wait for a second one.
        let _ = stream.set_nodelay(true);
        let phase = Arc::new(AtomicU64::new(0));
        let patient = Patient::new(stream, Arc::clone(&phase), limits.head);
        let router = router.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            phase.fetch_add(1, Ordering::Relaxed);
            let phase = Arc::clone(&phase);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().call(request);
            async move {
                let response = answer.await;
                phase.fetch_add(1, Ordering::Relaxed);
                response as Result<_, Infallible>
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(patient), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time, and were cut off");
    }
    Ok(())
}

/// A connection that gives up when the head of a request does not come to an end, or when the client does not
/// take its answers.
///
/// hyper's own time-out begins where the previous request ended, so that it has to be as long as a
/// connection may be idle. This one begins with the first byte.
struct Patient {
    stream: TcpStream,
    /// Even while no request is being answered, so that what is read belongs to the head of the next; odd
    /// while one is.
    phase: Arc<AtomicU64>,
    /// The phase of which `deadline` is.
    known: u64,
    /// How long the head may take, and how long the client may leave an answer lying.
    patience: Duration,
    /// When the head has to be complete; `None` while not a byte of it has come.
    deadline: Option<Pin<Box<Sleep>>>,
    /// When the client has to have taken something; `None` while nothing is lying.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, phase: Arc<AtomicU64>, patience: Duration) -> Self {
        let deadline = Some(Box::pin(tokio::time::sleep(patience)));
        Self { stream, phase, known: 0, patience, deadline, stalled: None }
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let phase = self.phase.load(Ordering::Relaxed);
        if phase != self.known {
            self.known = phase;
            self.deadline = None;
        }
        let answering = phase % 2 == 1;
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(read) => {
                if !answering && self.deadline.is_none() {
                    self.deadline = Some(Box::pin(tokio::time::sleep(self.patience)));
                }
                Poll::Ready(read)
            }
            Poll::Pending => match self.deadline.as_mut() {
                Some(deadline) => {
                    ready!(deadline.as_mut().poll(cx));
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                }
                None => Poll::Pending,
            },
        }
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
