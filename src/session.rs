//! The session: a state machine that decides when to refresh, and who may send what.
//!
//! It performs no I/O, reads no clock, draws no entropy of its own and allocates no JavaScript
//! value. Whoever drives it calls a verb, drains [`Session::poll_action`] until it is empty, and
//! then asks [`Session::poll_timeout`] when to call [`Session::handle_timeout`]. `src/web/` does
//! so in a browser, `tests/` in a simulated world.
//!
//! Every bound is a share of the *slack*, the time between a token's renewal and its deadline
//! (10 s of 60), so that a server which compresses time for tests compresses all of it:
//!
//! | bound | share of the slack | with 10 s |
//! |---|---|---|
//! | flight margin: a token with less left is not sent, unless refreshing fails | 20 % | 2 s |
//! | time-out of a refresh | 40 % | 4 s |
//! | the same on a link that has shown itself slow | 80 % | 8 s |
//! | wait for the other tabs' lock, in the background | 30 % | 3 s |
//! | the same while a request is held back | 5 % | 0.5 s |
//! | pause after another tab had it, for what that one has said | 0.5 % | 0.05 s |
//! | wait for the second lock, before going ahead without any | 5 to 10 % | 0.5 to 1 s |
//! | the same while a request is held back | up to 2.5 % | up to 0.25 s |
//! | pause where there are no locks | 0 to 10 % | 0 to 1 s |
//! | the same while a request is held back | 0 to 2.5 % | 0 to 0.25 s |
//! | stagger of the background refresh | 0 to 10 % | 0 to 1 s |
//! | a hidden tab's is later by | 20 % | 2 s |
//! | first back-off, doubled at each failure, with full jitter | 5 % | 0.5 s |
//! | back-off in the background, once the slack has passed | 250 to 500 % | 25 to 50 s |
//! | longest back-off while a request is held back | 20 % | 2 s |
//! | attempts beyond a burst of 10: one in | 50 % | 5 s |
//! | refreshes forced by a 401: one in | 100 % | 10 s |

mod account;
mod backoff;
mod budget;
mod gate;
mod refresh;
mod rng;
mod tabs;
mod waiters;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::action::{Action, Notice, Settled, WaiterId};
use crate::clock::{Instant, Millis};
use crate::config::Config;
use crate::error::{ErrorCode, Failure};
use crate::event::{EndReason, Event, RequestId};
use crate::protocol::{Reason, SessionRef};
use crate::token::{Serial, Token};

use account::Call;
use backoff::Backoff;
use budget::Budget;
pub use gate::{Gate, Rejection};
use refresh::Attempt;
use rng::Rng;
use tabs::Suspect;
use waiters::{Purpose, Waiter, Waiters};

/// Where a session stands, as the application sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// The first answer is not here yet.
    Loading,
    /// There is a session; its token may be live, or about to be renewed.
    SignedIn,
    /// There is no session.
    SignedOut,
    /// [`Event::Close`] was handled.
    Closed,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerKind {
    /// The next attempt to refresh is due.
    Refresh,
    /// The refresh in flight has taken too long.
    AttemptTimeout,
    /// The lock has been waited for, or the pause after it is over.
    Lock,
    /// The sign-in or sign-out in flight has taken too long.
    CallTimeout,
    /// A request has been held back for as long as it may be.
    WaiterLimit,
    /// `ready` has waited for long enough.
    Ready,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Loading,
    SignedIn(Arc<Token>),
    /// The token is withheld; it comes back if the server can't be told.
    SigningOut {
        token: Option<Arc<Token>>,
        call: Call,
    },
    SignedOut,
    Closed,
}

/// The state of one tab's session. See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    config: Config,
    phase: Phase,
    /// The refresh in flight: there is never more than one.
    attempt: Option<Attempt>,
    /// A refresh that somebody asked for and no success has answered yet.
    wish: Option<Reason>,
    /// What other tabs have said of a session that is not this tab's.
    suspect: Option<Suspect>,
    /// Sessions that have ended: what is said of them later is late.
    ends: VecDeque<String>,
    /// Nothing may begin: no timer runs, and a lock that is granted is never given back.
    frozen: bool,
    /// The page was put away. What it sends on its way out may carry the token.
    away: bool,
    /// The token is from before the page was put away, and may have ended meanwhile.
    unverified: bool,
    /// The page was put away since the server last confirmed the session: another tab may have
    /// signed in meanwhile, and have said so.
    deaf: bool,
    /// The sign-in in flight.
    sign_in: Option<Call>,
    waiters: Waiters,
    backoff: Backoff,
    budget: Budget,
    last_failure: Option<Failure>,
    /// Failures that the application was told of and that are not over.
    trouble: u32,
    /// When a 401 last forced a refresh.
    forced_at: Option<Instant>,
    /// The first token of the current user: a 401 to an older one was another user's.
    user_since: Serial,
    /// The first token of the current session: an answer to a question about an older one does
    /// not count.
    session_since: Serial,
    last_serial: Serial,
    last_id: RequestId,
    stagger: Millis,
    slack: Millis,
    /// A refresh has taken longer than the usual time-out.
    slow_link: bool,
    visible: bool,
    user_active: bool,
    ready_by: Option<Instant>,
    rng: Rng,
    actions: VecDeque<Action>,
}

impl Session {
    /// A session that wants its first refresh at once.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        let mut session = Self {
            phase: Phase::Loading,
            attempt: None,
            wish: Some(Reason::Start),
            suspect: None,
            ends: VecDeque::new(),
            frozen: false,
            away: false,
            unverified: false,
            deaf: false,
            sign_in: None,
            waiters: Waiters::new(),
            backoff: Backoff::new(),
            budget: Budget::new(),
            last_failure: None,
            trouble: 0,
            forced_at: None,
            user_since: Serial(0),
            session_since: Serial(0),
            last_serial: Serial(0),
            last_id: RequestId(0),
            stagger: Millis(0),
            slack: Config::INITIAL_SLACK,
            slow_link: false,
            visible: true,
            user_active: false,
            ready_by: Some(now + config.ready_limit),
            rng: Rng::new(config.seed),
            actions: VecDeque::new(),
            config,
        };
        session.backoff.hurry();
        session.pump(now);
        session
    }

    /// Something happened.
    pub fn handle(&mut self, event: Event, now: Instant) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        match event {
            // First the answer, then the deadlines: one that comes in the same moment counts.
            Event::Answered { id, reply } => self.answered(id, reply, now),
            Event::Shown => {
                // Somebody has turned to this tab.
                if !self.visible {
                    self.user_was_active();
                }
                self.visible = true;
                self.woken(now);
            }
            Event::Hidden => self.visible = false,
            Event::Woken => self.woken(now),
            Event::Restored => self.restored(now),
            Event::Frozen => self.freeze(),
            Event::PutAway => self.put_away(),
            Event::UserActive => self.user_was_active(),
            Event::Locked(id) => self.locked(id, now),
            Event::LockFailed(id) => self.lock_failed(id, now),
            Event::Heard(message) => self.heard(message, now),
            Event::Close => self.close(),
        }
        self.pump(now);
    }

    /// A deadline passed. Calling it early, late or for nothing does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.pump(now);
    }

    /// The next thing to do outside. Drain it after every verb, before anything else.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Session::handle_timeout`], and what for.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, TimerKind)> {
        let call = match &self.phase {
            Phase::SigningOut { call, .. } => Some(call),
            _ => self.sign_in.as_ref(),
        };
        [
            self.due().map(|(at, _)| (at, TimerKind::Refresh)),
            self.attempt.as_ref().map(Attempt::deadline),
            call.map(|call| (call.times_out_at, TimerKind::CallTimeout)),
            self.waiters.first_limit().map(|at| (at, TimerKind::WaiterLimit)),
            self.ready_by.map(|at| (at, TimerKind::Ready)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Where the session stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.phase {
            Phase::Loading => Status::Loading,
            Phase::SignedIn(_) => Status::SignedIn,
            Phase::SigningOut { .. } | Phase::SignedOut => Status::SignedOut,
            Phase::Closed => Status::Closed,
        }
    }

    /// Whose session it is; none while signed out.
    #[must_use]
    pub fn account(&self) -> Option<&SessionRef> {
        self.latest().map(|token| token.session())
    }

    /// The token, if it may still be sent: down to its last moment, and not from before the page was
    /// put away.
    #[must_use]
    pub fn token(&self, now: Instant) -> Option<&Arc<Token>> {
        self.latest().filter(|token| token.remaining(now) > Millis(0) && !self.unverified)
    }

    /// The latest token, past its deadline or not; none while signed out.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Token>> {
        match &self.phase {
            Phase::SignedIn(token) => Some(token),
            _ => None,
        }
    }

    /// Brings the state up to `now`: what has run out has run out, what is due begins. After it no
    /// deadline lies in the past.
    fn pump(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        self.expire(now);
        self.hasten(now);
        while let Some((at, reason)) = self.due() {
            if at > now {
                break;
            }
            self.begin(reason, now);
        }
        self.refuse_hopeless(now);
    }

    fn expire(&mut self, now: Instant) {
        if !mutant!(self, MissesTimeout) {
            self.expire_attempt(now);
        }
        self.expire_call(now);
        while let Some((id, _)) = self.waiters.pop_due(now) {
            if mutant!(self, ForgetsWaiter) {
                continue;
            }
            let failed = Settled::Failed(ErrorCode::Timeout, self.last_failure);
            self.actions.push_back(Action::Settle(id, failed));
        }
        if self.ready_by.is_some_and(|by| by <= now) {
            self.announce_ready();
        }
    }

    /// Where the server has asked for more patience than a held request has, it fails now rather
    /// than later.
    fn refuse_hopeless(&mut self, now: Instant) {
        if self.attempt.is_some() || matches!(self.phase, Phase::SigningOut { .. }) {
            return;
        }
        let until = self.backoff.server_until();
        while self.waiters.first_limit().is_some_and(|limit| limit < until) {
            let Some((id, _)) = self.waiters.pop_due(until) else { return };
            let failed = Settled::Later(self.last_failure, until.since(now));
            self.actions.push_back(Action::Settle(id, failed));
        }
    }

    fn announce_ready(&mut self) {
        if self.ready_by.take().is_some() {
            self.actions.push_back(Action::Ready);
        }
    }

    fn emit(&mut self, notice: Notice) {
        self.actions.push_back(Action::Emit(notice));
    }

    /// Settles those whom `settle` has an answer for; the others go on waiting.
    fn settle_where(&mut self, settle: impl Fn(&Waiter) -> Option<Settled>) {
        let settled = self.waiters.drain_if(|waiter| settle(waiter).is_some());
        if mutant!(self, SettlesTwice) {
            let again = settled.first().and_then(|(id, waiter)| Some(Action::Settle(*id, settle(waiter)?)));
            self.actions.extend(again);
        }
        self.actions.extend(
            settled.into_iter().filter_map(|(id, waiter)| Some(Action::Settle(id, settle(&waiter)?))),
        );
    }

    fn next_id(&mut self) -> RequestId {
        self.last_id = RequestId(self.last_id.0.wrapping_add(1));
        self.last_id
    }

    /// A moment to look at the clock. If renewal is overdue it begins; if it was being retried,
    /// the wait is over.
    fn woken(&mut self, now: Instant) {
        // What ran out while the page was away must not be blamed on the network it wakes up to.
        self.frozen = false;
        // Whichever event is the first of those that tell that it is back.
        // A token that is withheld may yet come back.
        let has_token = matches!(self.phase, Phase::SignedIn(_) | Phase::SigningOut { token: Some(_), .. });
        self.unverified |= std::mem::take(&mut self.away) && has_token;
        if mutant!(self, RestoresUnasked) {
            self.unverified = false;
        }
        self.expire(now);
        self.backoff.hurry();
        let sent = |attempt: &Attempt| matches!(attempt.stage, refresh::Stage::Sent(_));
        if mutant!(self, SecondRefresh) && self.attempt.as_ref().is_some_and(sent) {
            let id = self.next_id();
            self.send(id, Reason::Wake, false, now);
        }
        let overdue = self.latest().is_some_and(|token| now >= token.refresh_at());
        if overdue && self.polls() {
            self.wish.get_or_insert(Reason::Wake);
        }
    }

    /// The session is over: everything it had is dropped, everybody who waits is told.
    fn end(&mut self, reason: EndReason) {
        self.drop_attempt();
        let session = match std::mem::replace(&mut self.phase, Phase::SignedOut) {
            Phase::SignedIn(token) | Phase::SigningOut { token: Some(token), .. } => {
                Some(token.session().clone())
            }
            _ => None,
        };
        if let Some(session) = &session {
            self.remember_end(&session.id);
        }
        self.wish = None;
        self.unverified = false;
        self.backoff.ended();
        self.last_failure = None;
        self.turn_away();
        self.announce_ready();
        if mutant!(self, EndsTwice) {
            self.emit(Notice::SignedOut { reason, session: session.clone() });
        }
        self.emit(Notice::SignedOut { reason, session });
    }

    /// Nobody is to wait for a token any more. A request that was made before it was known whether
    /// there is a session goes out as it would have without this library; one that was made for a
    /// user does not go out in nobody's name.
    fn turn_away(&mut self) {
        self.settle_where(|waiter| {
            Some(if waiter.user.is_none() && waiter.purpose == Purpose::Send {
                Settled::Anonymous
            } else {
                Settled::Failed(ErrorCode::SignedOut, None)
            })
        });
    }

    fn close(&mut self) {
        self.drop_attempt();
        self.close_calls();
        self.settle_where(|_| Some(Settled::Failed(ErrorCode::Closed, None)));
        self.announce_ready();
        if mutant!(self, LivesAfterClose) {
            return;
        }
        self.phase = Phase::Closed;
        self.wish = None;
    }

    /// Lets every draw be this many hundredths of its limit. Whether there was one since this was
    /// called last.
    #[cfg(feature = "model")]
    pub fn dictate(&mut self, share: Option<u64>) -> bool {
        self.rng.dictate(share)
    }

    /// Gives up a held request; nothing is settled. Does nothing if it was settled before.
    pub fn give_up(&mut self, waiter: WaiterId, now: Instant) {
        self.waiters.remove(waiter);
        self.pump(now);
    }
}
