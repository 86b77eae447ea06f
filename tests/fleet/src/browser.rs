//! One browser: a core, its timer and its calls.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use fiftyten::action::{Action, Settled, WaiterId};
use fiftyten::clock::{Instant, Millis};
use fiftyten::config::Config;
use fiftyten::error::ErrorCode;
use fiftyten::event::{Event, Refusal, Reply, RequestId};
use fiftyten::session::{Gate, Session, Status};
use fiftyten::token::Token;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep_until;

use crate::call::{Call, Http, Target};
use crate::ledger::{Ledger, What};

/// Where the core's clock starts: not at zero, so that an instant a while before can be told from it.
const START: Instant = Instant(1 << 40);

/// A browser with one page, signed in by its cookie. It runs until it is dropped.
pub struct Browser(mpsc::UnboundedSender<Command>);

/// Where a browser's session stands.
#[derive(Clone, Debug)]
pub struct View {
    /// As the application sees it.
    pub status: Status,
    /// The session's id; none while signed out.
    pub session: Option<String>,
    /// How long the token may still be used; none where there is none that may.
    pub remaining: Option<Millis>,
}

enum Command {
    Token(oneshot::Sender<Result<Arc<Token>, ErrorCode>>),
    SignOut(oneshot::Sender<Result<(), Refusal>>),
    View(oneshot::Sender<View>),
}

impl Browser {
    /// Opens the page: the first refresh goes out at once. `number` tells it from the others in the ledger, and
    /// seeds its jitter.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn open(number: usize, target: Target, cookie: String, ledger: Arc<Ledger>) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        // Hashed: the streams of seeds that are near to each other may be near to each other too.
        let mut seed = DefaultHasher::new();
        number.hash(&mut seed);
        let page = Page {
            number,
            ledger,
            http: Http::new(target, cookie),
            opened: tokio::time::Instant::now(),
            session: Session::new(Config { tabs: false, seed: seed.finish(), ..Config::default() }, START),
            calls: JoinSet::new(),
            aborts: BTreeMap::new(),
            held: BTreeMap::new(),
            leaving: BTreeMap::new(),
        };
        tokio::spawn(page.live(received));
        Self(commands)
    }

    /// A token for a request, as `getToken` has it: at once, or when the refresh that it waits for is done.
    ///
    /// # Errors
    ///
    /// Why there is none: nobody is signed in, or the limit of 10 s is over.
    pub async fn token(&self) -> Result<Arc<Token>, ErrorCode> {
        self.ask(Command::Token).await.unwrap_or(Err(ErrorCode::Closed))
    }

    /// Signs out.
    ///
    /// # Errors
    ///
    /// Why it was not acknowledged; the session stands then, for all that the browser knows.
    pub async fn sign_out(&self) -> Result<(), Refusal> {
        let closed = Refusal { code: ErrorCode::Closed, retry_after: None, status: None, detail: None };
        self.ask(Command::SignOut).await.unwrap_or(Err(closed))
    }

    /// Where its session stands; none if the page has crashed.
    pub async fn view(&self) -> Option<View> {
        self.ask(Command::View).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).ok()?;
        answer.await.ok()
    }
}

struct Page {
    number: usize,
    ledger: Arc<Ledger>,
    http: Http,
    opened: tokio::time::Instant,
    session: Session,
    calls: JoinSet<(RequestId, Reply)>,
    aborts: BTreeMap<RequestId, AbortHandle>,
    /// Who waits for a token.
    held: BTreeMap<WaiterId, oneshot::Sender<Result<Arc<Token>, ErrorCode>>>,
    /// Who waits for a sign-out.
    leaving: BTreeMap<RequestId, oneshot::Sender<Result<(), Refusal>>>,
}

impl Page {
    async fn live(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        loop {
            self.drain();
            let deadline = self.session.poll_timeout().map(|(at, _)| self.to_tokio(at));
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                // One that was aborted has no reply.
                Some(ended) = self.calls.join_next() => if let Ok((id, reply)) = ended {
                    self.answered(id, reply);
                },
                () = sleep_until(deadline.unwrap_or(self.opened)), if deadline.is_some() => {
                    let now = self.now();
                    self.session.handle_timeout(now);
                }
            }
        }
    }

    fn now(&self) -> Instant {
        START + Millis(self.opened.elapsed().as_millis() as u64)
    }

    fn to_tokio(&self, at: Instant) -> tokio::time::Instant {
        self.opened + std::time::Duration::from_millis(at.since(START).0)
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Token(reply) => {
                if let Gate::Open(token) = self.session.gate(now) {
                    // Whoever asked may have gone.
                    let _ = reply.send(Ok(Arc::clone(token)));
                } else {
                    self.held.insert(self.session.hold(now), reply);
                }
            }
            Command::SignOut(reply) => match self.session.sign_out(now) {
                Ok(Some(id)) => {
                    self.leaving.insert(id, reply);
                    self.send(id, Call::SignOut);
                }
                Ok(None) => drop(reply.send(Ok(()))),
                Err(code) => {
                    let refusal = Refusal { code, retry_after: None, status: None, detail: None };
                    let _ = reply.send(Err(refusal));
                }
            },
            Command::View(reply) => {
                let view = View {
                    status: self.session.status(),
                    session: self.session.account().map(|account| account.id.clone()),
                    remaining: self.session.token(now).map(|token| token.remaining(now)),
                };
                let _ = reply.send(view);
            }
        }
    }

    fn send(&mut self, id: RequestId, call: Call) {
        let exchange = self.http.clone().exchange(call);
        let abort = self.calls.spawn(async move { (id, exchange.await) });
        self.aborts.insert(id, abort);
    }

    fn answered(&mut self, id: RequestId, reply: Reply) {
        self.aborts.remove(&id);
        if !self.leaving.contains_key(&id) {
            let (status, code) = match &reply {
                Reply::Unreachable => (None, None),
                Reply::Http { status, problem, .. } => {
                    (Some(*status), problem.as_ref().and_then(|problem| problem.code))
                }
            };
            self.note(What::Answered { status, code });
        }
        let now = self.now();
        self.session.handle(Event::Answered { id, reply }, now);
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll_action() {
            match action {
                Action::Refresh { id, reason, active } => {
                    self.note(What::Sent(reason));
                    self.send(id, Call::Refresh { reason, active });
                }
                Action::Abort(id) => {
                    if let Some(abort) = self.aborts.remove(&id) {
                        abort.abort();
                    }
                }
                Action::Settle(waiter, settled) => {
                    let settled = match settled {
                        Settled::Token(token) => Ok(token),
                        Settled::Anonymous => Err(ErrorCode::SignedOut),
                        Settled::Failed(code, _) => Err(code),
                        Settled::Later(..) => Err(ErrorCode::Unavailable),
                    };
                    if let Some(reply) = self.held.remove(&waiter) {
                        let _ = reply.send(settled);
                    }
                }
                Action::Finish(id, result) => {
                    if let Some(reply) = self.leaving.remove(&id) {
                        let _ = reply.send(result);
                    }
                }
                Action::Emit(notice) => self.note(What::Told(notice)),
                Action::Ready => {}
                // It is the only tab.
                Action::Lock(_) | Action::LockSecond(_) | Action::Unlock(_) | Action::Tell(_) => {}
            }
        }
    }

    fn note(&self, what: What) {
        self.ledger.note(self.number, what);
    }
}
