//! A world of one tab. Time moves only when a test moves it, from one thing that happens to the
//! next, and after each of them the invariants of the design are checked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fiftyten::action::{Action, Notice, Settled, WaiterId};
use fiftyten::clock::{Instant, Millis};
use fiftyten::config::Config;
use fiftyten::event::{EndReason, Event, Refusal, Reply, RequestId, Trouble};
use fiftyten::message::Message;
use fiftyten::protocol::{Code, Reason, RefreshBody, SessionRef};
use fiftyten::session::{Gate, Rejection, Session, Status};
use fiftyten::token::{Serial, Token};

/// What the server answers, and after how long.
#[derive(Clone)]
pub enum Answer {
    /// 200 for this user's session, with a token of 60 s renewed at 50.
    Token(&'static str, &'static str),
    /// 200 with these lifetimes.
    Lives(u64, u64),
    Status(u16),
    /// A status with a code of the protocol.
    Code(Code),
    /// 401 with a code, naming a session.
    Ended(Code, &'static str),
    /// A status with `Retry-After` in ms.
    Later(u16, u64),
    /// 200 with a body that is none.
    Garbage,
    NoContent,
    Unreachable,
    /// Nothing, ever.
    Silence,
}

pub const SIGNED_IN: Answer = Answer::Token("s1", "ada");

impl Answer {
    fn reply(&self, serial: u32) -> Option<Reply> {
        let http = |status, retry_after, body, problem| Reply::Http { status, retry_after, body, problem };
        let body = |session: &str, user: &str, expires_in_ms, refresh_in_ms| RefreshBody {
            token: format!("token.{serial}.x"),
            expires_in_ms,
            refresh_in_ms,
            session: SessionRef { id: session.to_owned(), user: user.to_owned() },
        };
        let trouble = |code: Code, session: Option<&str>| {
            Some(Trouble { code: Some(code), detail: None, session: session.map(str::to_owned) })
        };
        Some(match *self {
            Self::Token(session, user) => http(200, None, Some(body(session, user, 60_000, 50_000)), None),
            Self::Lives(expires, refresh) => http(200, None, Some(body("s1", "ada", expires, refresh)), None),
            Self::Status(status) => http(status, None, None, None),
            Self::Code(code) => http(code.status(), None, None, trouble(code, None)),
            Self::Ended(code, session) => http(401, None, None, trouble(code, Some(session))),
            Self::Later(status, wait) => http(status, Some(Millis(wait)), None, None),
            Self::Garbage => http(200, None, None, None),
            Self::NoContent => http(204, None, None, None),
            Self::Unreachable => Reply::Unreachable,
            Self::Silence => return None,
        })
    }
}

/// How the browser answers a wish for the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It is granted at once.
    Free,
    /// Another tab has it, and does not give it back.
    Taken,
    /// There are no locks here.
    Missing,
}

/// A refresh that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// ms since the start.
    pub at: u64,
    pub reason: Reason,
    pub active: bool,
}

pub struct World {
    pub session: Session,
    pub now: Instant,
    /// Answers that come next, before the usual one.
    pub script: VecDeque<(u64, Answer)>,
    /// What the server answers when the script is over: delay in ms, and what.
    pub usual: (u64, Answer),
    pub sent: Vec<Sent>,
    pub notices: Vec<Notice>,
    pub settled: BTreeMap<WaiterId, (u64, Settled)>,
    pub finished: Vec<(RequestId, Result<(), Refusal>)>,
    pub ready_at: Option<u64>,
    /// What it told the other tabs.
    pub told: Vec<Message>,
    /// Whether the browser's lock is free for this tab.
    pub lock: Lock,
    /// The lock of those who could not have that one.
    pub second: Lock,
    /// Refreshes that asked for the lock and have neither got it nor given it up.
    pub asking: Vec<RequestId>,
    /// The refresh that has it.
    pub holding: Option<RequestId>,
    held: BTreeMap<WaiterId, u64>,
    in_flight: Vec<(RequestId, Instant, Option<Reply>)>,
    refreshing: Option<RequestId>,
    answered: u32,
    history: Vec<String>,
    start: Instant,
}

impl World {
    /// A world whose server answers everything after 50 ms with a session of ada's.
    pub fn new() -> Self {
        Self::with(Config { seed: 1, ..Config::default() }, [], (50, SIGNED_IN))
    }

    pub fn with(
        config: Config,
        script: impl IntoIterator<Item = (u64, Answer)>,
        usual: (u64, Answer),
    ) -> Self {
        let start = Instant(1 << 40);
        let mut world = Self {
            session: Session::new(config, start),
            now: start,
            script: script.into_iter().collect(),
            usual,
            sent: Vec::new(),
            notices: Vec::new(),
            settled: BTreeMap::new(),
            finished: Vec::new(),
            ready_at: None,
            told: Vec::new(),
            lock: Lock::Free,
            second: Lock::Taken,
            asking: Vec::new(),
            holding: None,
            held: BTreeMap::new(),
            in_flight: Vec::new(),
            refreshing: None,
            answered: 0,
            history: Vec::new(),
            start,
        };
        world.drain();
        world
    }

    /// A world that is signed in; the clock stands at 50 ms.
    pub fn signed_in() -> Self {
        let mut world = Self::new();
        world.run(50);
        assert_eq!(world.session.status(), Status::SignedIn);
        world
    }

    /// ms since the start.
    pub fn elapsed(&self) -> u64 {
        self.now.since(self.start).0
    }

    /// Lets the next answers be these.
    pub fn next(&mut self, answers: impl IntoIterator<Item = (u64, Answer)>) {
        self.script = answers.into_iter().collect();
    }

    /// Lets `ms` pass; everything that happens meanwhile happens at its time.
    pub fn run(&mut self, ms: u64) {
        let until = self.now + Millis(ms);
        for _ in 0..100_000 {
            let timer = self.session.poll_timeout().map(|(at, _)| at);
            let answer = self.in_flight.iter().filter(|call| call.2.is_some()).map(|call| call.1).min();
            let Some(next) = timer.into_iter().chain(answer).min().filter(|&next| next <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(next);
            if answer.is_some_and(|at| at <= self.now) {
                self.deliver();
            } else {
                self.session.handle_timeout(self.now);
                self.drain();
            }
        }
        panic!("100,000 things happened in {ms} ms: that is a loop");
    }

    /// The machine sleeps: time passes and nothing runs, not even what came in.
    pub fn sleep(&mut self, ms: u64) {
        self.now = self.now + Millis(ms);
    }

    pub fn happen(&mut self, event: Event) {
        self.session.handle(event, self.now);
        self.drain();
    }

    /// A request asks for a pass. `None` means that it has to wait.
    pub fn gate(&mut self) -> Option<Option<Serial>> {
        let now = self.now;
        let pass = match self.session.gate(now) {
            Gate::Open(token) => {
                assert!(token.remaining(now) > Millis(0), "a token past its deadline was given out");
                Some(Some(token.serial()))
            }
            Gate::Anonymous => Some(None),
            Gate::Shut | Gate::Closed => None,
        };
        // A question, not an event: deadlines that ran out while nobody ran stay where they are.
        self.perform_all();
        pass
    }

    pub fn hold(&mut self) -> WaiterId {
        let id = self.session.hold(self.now);
        assert!(self.held.insert(id, self.elapsed()).is_none(), "a number was given twice");
        self.drain();
        id
    }

    pub fn hold_many(&mut self, count: usize) -> Vec<WaiterId> {
        (0..count).map(|_| self.hold()).collect()
    }

    pub fn give_up(&mut self, id: WaiterId) {
        self.session.give_up(id, self.now);
        self.drain();
    }

    pub fn rejected(&mut self, serial: Serial) -> Rejection {
        let rejection = self.session.rejected(serial, self.now);
        if let Rejection::Wait(id) = &rejection {
            assert!(self.held.insert(*id, self.elapsed()).is_none(), "a number was given twice");
        }
        self.drain();
        rejection
    }

    pub fn sign_in(&mut self, delay: u64, answer: Answer) -> RequestId {
        let id = self.session.sign_in(self.now).expect("nothing else is under way");
        self.call(id, delay, &answer);
        id
    }

    pub fn sign_out(&mut self, delay: u64, answer: Answer) -> RequestId {
        let id = self.session.sign_out(self.now).expect("nothing else is under way");
        let id = id.expect("there is something to end");
        self.call(id, delay, &answer);
        id
    }

    /// An answer that nobody asked for at this time.
    pub fn answer(&mut self, id: RequestId, answer: &Answer) {
        self.answered += 1;
        let reply = answer.reply(self.answered).expect("silence is not an answer");
        self.happen(Event::Answered { id, reply });
    }

    pub fn token(&self) -> Option<&Arc<Token>> {
        self.session.token(self.now)
    }

    pub fn serial(&self) -> Serial {
        self.token().expect("there is a live token").serial()
    }

    /// What became of a held request, and after how many ms.
    pub fn outcome(&self, id: WaiterId) -> Option<(u64, &Settled)> {
        self.settled.get(&id).map(|(at, settled)| (at - self.held[&id], settled))
    }

    pub fn got_token(&self, id: WaiterId) -> bool {
        matches!(self.outcome(id), Some((_, Settled::Token(_))))
    }

    pub fn reasons(&self) -> Vec<Reason> {
        self.sent.iter().map(|sent| sent.reason).collect()
    }

    pub fn signed_out(&self) -> Vec<EndReason> {
        self.notices
            .iter()
            .filter_map(|notice| match notice {
                Notice::SignedOut { reason, .. } => Some(*reason),
                _ => None,
            })
            .collect()
    }

    pub fn refresh_in_flight(&self) -> Option<RequestId> {
        self.refreshing
    }

    /// Everything that it wanted done, in order.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// When refreshes were forced by a 401, in ms since the start.
    pub fn forced_at(&self) -> Vec<u64> {
        self.sent.iter().filter(|sent| sent.reason == Reason::Rejected).map(|sent| sent.at).collect()
    }

    /// The server will answer this call.
    pub fn call(&mut self, id: RequestId, delay: u64, answer: &Answer) {
        self.answered += 1;
        self.in_flight.push((id, self.now + Millis(delay), answer.reply(self.answered)));
        self.drain();
    }

    fn deliver(&mut self) {
        let due = self.in_flight.iter().position(|call| call.2.is_some() && call.1 <= self.now);
        let (id, _, reply) = self.in_flight.remove(due.expect("one is due"));
        if self.refreshing == Some(id) {
            self.refreshing = None;
        }
        self.happen(Event::Answered { id, reply: reply.expect("it is not silence") });
    }

    /// Does what it wants done. To follow every verb, whatever it answered.
    pub fn drain(&mut self) {
        self.perform_all();
        if let Some((at, kind)) = self.session.poll_timeout() {
            assert!(at > self.now, "after a drain {kind:?} lies in the past");
        }
    }

    fn perform_all(&mut self) {
        while let Some(action) = self.session.poll_action() {
            self.perform(action);
        }
    }

    /// It asks for a lock, and this is how that lock is.
    fn ask(&mut self, id: RequestId, lock: Lock) {
        match lock {
            Lock::Free => {
                assert_eq!(self.holding.replace(id), None, "the lock was not given back");
                self.session.handle(Event::Locked(id), self.now);
            }
            Lock::Taken => self.asking.push(id),
            Lock::Missing => self.session.handle(Event::LockFailed(id), self.now),
        }
    }

    fn perform(&mut self, action: Action) {
        self.history.push(format!("{action:?}"));
        match action {
            Action::Refresh { id, reason, active } => {
                assert_eq!(self.refreshing.replace(id), None, "a second refresh in flight");
                self.sent.push(Sent { at: self.elapsed(), reason, active });
                let (delay, answer) = self.script.pop_front().unwrap_or_else(|| self.usual.clone());
                self.answered += 1;
                self.in_flight.push((id, self.now + Millis(delay), answer.reply(self.answered)));
            }
            Action::Abort(id) => {
                self.in_flight.retain(|call| call.0 != id);
                if self.refreshing == Some(id) {
                    self.refreshing = None;
                }
            }
            Action::Lock(id) => self.ask(id, self.lock),
            Action::LockSecond(id) => self.ask(id, self.second),
            Action::Unlock(id) => {
                self.asking.retain(|asking| *asking != id);
                self.holding.take_if(|holding| *holding == id);
            }
            Action::Tell(message) => self.told.push(message),
            Action::Settle(id, settled) => {
                if let Settled::Token(token) = &settled {
                    assert!(token.remaining(self.now) > Millis(0), "settled with a dead token");
                }
                let before = self.settled.insert(id, (self.elapsed(), settled));
                assert_eq!(before, None, "{id:?} was settled twice");
            }
            Action::Finish(id, result) => self.finished.push((id, result)),
            Action::Ready => {
                assert_eq!(self.ready_at.replace(self.elapsed()), None, "ready twice");
            }
            Action::Emit(notice) => self.notices.push(notice),
        }
    }
}
