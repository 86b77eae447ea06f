//! The shell: it gives the core a clock, timers, `fetch` and the page's life cycle.
//!
//! One rule keeps it correct: JavaScript is never called while the core is borrowed. Every verb
//! borrows the core, drains what it wants done, arms the timer, gives the borrow back, and only
//! then does it. What that calls may come straight back in.

mod body;
mod channel;
mod claims;
mod host;
mod http;
mod lifecycle;
mod lock;
mod notice;
mod record;
mod task;
mod time;
mod timer;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use crate::action::{Action, Settled, WaiterId};
use crate::clock::{Clock, Instant, Millis};
use crate::config::Config;
use crate::error::ErrorCode;
use crate::event::{Event, RequestId};
use crate::message::Message;
use crate::session::{Gate, Rejection, Session, Status};
use crate::token::{Serial, Token};

use channel::{Channel, Echo};
use host::Host;
use http::{Call, Endpoints};
use lifecycle::Listeners;
use lock::Wish;
use timer::Timer;

/// Smaller than the standard allocator by 2 KB of 40, which matters more here than its speed: a request
/// that passes the gate allocates nothing.
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

/// One session, as `js/link.js` holds it. Everything here returns at once; what takes time
/// comes back through the host.
#[wasm_bindgen(js_name = Core)]
pub struct Handle(Rc<Shell>);

struct Shell {
    host: Host,
    endpoints: Endpoints,
    clock: RefCell<Clock>,
    session: RefCell<Session>,
    /// Wanted, and not yet done. Only one loop at a time works it off, so order is kept though
    /// listeners may call in.
    todo: RefCell<VecDeque<Action>>,
    working: Cell<bool>,
    timer: Timer,
    /// One refresh and one call at the most.
    in_flight: RefCell<Vec<(RequestId, AbortController)>>,
    /// The `Authorization` value of the current token, made once for each: a string that crosses
    /// the boundary costs twenty times what a handle does.
    bearer: RefCell<Option<(Serial, JsValue)>>,
    listeners: RefCell<Option<Listeners>>,
    /// Closed while the page is put away, so that it may be.
    channel: RefCell<Option<Channel>>,
    /// A token was told, and the lock waits until it is on its way.
    echo: RefCell<Option<Echo>>,
    locks: RefCell<Vec<Wish>>,
}

#[wasm_bindgen(js_class = Core)]
impl Handle {
    /// Starts: the first refresh goes out as soon as this has returned. `url` is the absolute URL of the
    /// server's base path, without a trailing slash; the limits are in ms. `js/options.js` has
    /// checked them.
    #[wasm_bindgen(constructor)]
    pub fn new(
        url: &str,
        request_limit: u32,
        ready_limit: u32,
        poll_while_hidden: bool,
        host: Host,
    ) -> Handle {
        let mut clock = Clock::new(time::read());
        let now = clock.now(time::read());
        let endpoints = Endpoints::new(url);
        let shell = Rc::new_cyclic(|weak: &Weak<Shell>| {
            let channel = Channel::open(endpoints.shared_name(), weak);
            let config = Config {
                request_limit: Millis(request_limit.into()),
                ready_limit: Millis(ready_limit.into()),
                poll_while_hidden,
                // Without a channel the lock would only delay: nobody could hand anything over.
                tabs: channel.is_some(),
                seed: time::seed(),
            };
            Shell {
                host,
                endpoints,
                clock: RefCell::new(clock),
                session: RefCell::new(Session::new(config, now)),
                todo: RefCell::default(),
                working: Cell::new(false),
                timer: Timer::default(),
                in_flight: RefCell::default(),
                bearer: RefCell::default(),
                listeners: RefCell::default(),
                channel: RefCell::new(channel),
                echo: RefCell::default(),
                locks: RefCell::default(),
            }
        });
        let listeners = Listeners::attach(&shell);
        let hidden = listeners.page_is_hidden();
        shell.listeners.replace(Some(listeners));
        if hidden {
            shell.session.borrow_mut().handle(Event::Hidden, now);
        }
        shell.work();
        Self(shell)
    }

    /// The gate: the number of the token that the request may carry, 0 to send it without one, -1
    /// to wait, -2 if the session is closed.
    pub fn gate(&self) -> i32 {
        let now = self.0.now();
        let mut session = self.0.session.borrow_mut();
        let (answer, quiet) = match session.gate(now) {
            Gate::Open(token) => (token.serial().0 as i32, now < token.refresh_at()),
            Gate::Anonymous => (0, true),
            Gate::Shut => (-1, true),
            Gate::Closed => (-2, true),
        };
        drop(session);
        if !quiet {
            self.0.work();
        }
        answer
    }

    /// The `Authorization` value for a request that the gate lets pass; undefined if there is
    /// no live token.
    pub fn bearer(&self) -> JsValue {
        let now = self.0.now();
        let session = self.0.session.borrow();
        session.token(now).map_or(JsValue::UNDEFINED, |token| self.0.bearer(token))
    }

    /// The number of the token that [`bearer`](Self::bearer) is of.
    pub fn serial(&self) -> u32 {
        self.0.session.borrow().latest().map_or(0, |token| token.serial().0)
    }

    /// Holds a request back; the number of its waiter, which the host will be asked to settle.
    pub fn hold(&self) -> u32 {
        self.0.drive(Session::hold).0
    }

    /// Nobody waits for this any more.
    pub fn give_up(&self, waiter: u32) {
        self.0.drive(|session, now| session.give_up(WaiterId(waiter), now));
    }

    /// A request that carried the token with this number was answered 401: 0 to hand the answer
    /// over, -1 to send it again at once, or the number of a waiter plus 1.
    pub fn rejected(&self, serial: i32) -> f64 {
        match self.0.drive(|session, now| session.rejected(Serial(serial as u32), now)) {
            Rejection::Surface => 0.0,
            Rejection::Replay(_) => -1.0,
            Rejection::Wait(waiter) => f64::from(waiter.0) + 1.0,
        }
    }

    /// Signs in: `body` is the JSON text to send, a ticket or a password. The number of the call, which the host will be asked to finish.
    ///
    /// # Errors
    /// Throws the code of an [`ErrorCode`](crate::error::ErrorCode).
    pub fn sign_in(&self, body: JsValue, is_ticket: bool) -> Result<u32, JsValue> {
        let id = self.0.drive(Session::sign_in).map_err(|code| JsValue::from_str(code.as_str()))?;
        self.0.check_open()?;
        self.0.send(id, Call::SignIn { body, is_ticket });
        Ok(id.0)
    }

    /// Signs out: the number of the call, which the host will be asked to finish; 0 if there is
    /// nothing to end.
    ///
    /// # Errors
    /// Throws the code of an [`ErrorCode`](crate::error::ErrorCode).
    pub fn sign_out(&self) -> Result<u32, JsValue> {
        let id = self.0.drive(Session::sign_out).map_err(|code| JsValue::from_str(code.as_str()))?;
        let Some(id) = id else { return Ok(0) };
        self.0.check_open()?;
        self.0.send(id, Call::SignOut);
        Ok(id.0)
    }

    /// 0 loading, 1 signed in, 2 signed out, 3 closed.
    pub fn status(&self) -> u32 {
        match self.0.session.borrow().status() {
            Status::Loading => 0,
            Status::SignedIn => 1,
            Status::SignedOut => 2,
            Status::Closed => 3,
        }
    }

    /// The user id; undefined while signed out.
    pub fn user(&self) -> Option<String> {
        self.0.session.borrow().account().map(|account| account.user.clone())
    }

    /// The session id; undefined while signed out.
    pub fn id(&self) -> Option<String> {
        self.0.session.borrow().account().map(|account| account.id.clone())
    }

    /// The claims of the latest token, live or not; undefined while signed out.
    pub fn claims(&self) -> JsValue {
        let session = self.0.session.borrow();
        session.latest().map_or(JsValue::UNDEFINED, |token| claims::read(token.text()))
    }

    /// Milliseconds that the token may still be used; -1 while signed out.
    pub fn expires_in(&self) -> f64 {
        let now = self.0.now();
        let session = self.0.session.borrow();
        session.latest().map_or(-1.0, |token| token.remaining(now).0 as f64)
    }

    /// Milliseconds until the token is due for renewal; -1 while signed out.
    pub fn refresh_in(&self) -> f64 {
        let now = self.0.now();
        let session = self.0.session.borrow();
        session.latest().map_or(-1.0, |token| token.refresh_at().since(now).0 as f64)
    }

    /// The user is there, by the application's word.
    pub fn active(&self) {
        self.0.drive(|session, now| session.handle(Event::UserActive, now));
    }

    /// The end: nothing happens afterwards.
    pub fn close(&self) {
        self.0.drive(|session, now| session.handle(Event::Close, now));
        self.0.listeners.take();
        self.0.channel.take();
        self.0.echo.take();
        self.0.timer.clear();
        self.0.bearer.take();
    }
}

impl Shell {
    fn now(self: &Rc<Self>) -> Instant {
        let mut clock = self.clock.borrow_mut();
        let before = clock.set_back_at();
        let now = clock.now(time::read());
        let was_set_back = clock.set_back_at() != before;
        drop(clock);
        if was_set_back && self.channel.borrow().is_some() {
            // What was told before may wait in the queue of a page that stood still, and would seem younger
            // than it is: a channel that is opened now does not bring it.
            self.put_away(false);
        }
        now
    }

    fn drive<R>(self: &Rc<Self>, verb: impl FnOnce(&mut Session, Instant) -> R) -> R {
        let now = self.now();
        let result = verb(&mut self.session.borrow_mut(), now);
        self.work();
        result
    }

    /// Drains the core and does what it wants, unless somebody further down the stack is at it.
    fn work(self: &Rc<Self>) {
        self.collect();
        if self.todo.borrow().is_empty() || self.working.replace(true) {
            return;
        }
        loop {
            let Some(action) = self.todo.borrow_mut().pop_front() else { break };
            self.perform(action);
            self.collect();
        }
        self.working.set(false);
    }

    /// Takes the core's actions over and arms its timer.
    fn collect(self: &Rc<Self>) {
        let mut session = self.session.borrow_mut();
        self.todo.borrow_mut().extend(std::iter::from_fn(|| session.poll_action()));
        let deadline = session.poll_timeout().map(|(at, _)| at);
        drop(session);
        timer::arm(self, deadline);
    }

    /// Never in a worker.
    fn page_is_hidden(&self) -> bool {
        self.listeners.borrow().as_ref().is_some_and(Listeners::page_is_hidden)
    }

    fn perform(self: &Rc<Self>, action: Action) {
        match action {
            Action::Refresh { id, reason, active } => self.send(id, Call::Refresh { reason, active }),
            Action::Abort(id) => self.abort(id),
            Action::Lock(id) => lock::ask(self, self.endpoints.shared_name(), id),
            Action::LockSecond(id) => lock::ask(self, self.endpoints.second_name(), id),
            Action::Unlock(id) => self.unlock(id),
            Action::Tell(message) => self.tell(message),
            Action::Settle(waiter, settled) => self.settle(waiter, settled),
            Action::Finish(id, result) => self.host.finish(id.0, &notice::refusal(result.err())),
            Action::Ready => self.host.ready(),
            Action::Emit(notice) => {
                let (kind, detail) = notice::encode(&notice);
                self.host.emit(kind, &detail);
            }
        }
    }

    /// A listener may have closed the session while the verb was at work.
    fn check_open(&self) -> Result<(), JsValue> {
        match self.session.borrow().status() {
            Status::Closed => Err(JsValue::from_str(ErrorCode::Closed.as_str())),
            _ => Ok(()),
        }
    }

    fn send(self: &Rc<Self>, id: RequestId, call: Call) {
        // A browser without AbortController has no WebAssembly either.
        let Ok(controller) = AbortController::new() else { return };
        let signal = controller.signal();
        self.in_flight.borrow_mut().push((id, controller));
        let shell = Rc::clone(self);
        spawn_local(async move {
            let reply = http::exchange(&shell.host, &shell.endpoints, call, &signal).await;
            shell.in_flight.borrow_mut().retain(|(other, _)| *other != id);
            shell.drive(|session, now| session.handle(Event::Answered { id, reply }, now));
        });
    }

    fn abort(&self, id: RequestId) {
        let mut in_flight = self.in_flight.borrow_mut();
        let place = in_flight.iter().position(|(other, _)| *other == id);
        let controller = place.map(|place| in_flight.swap_remove(place).1);
        drop(in_flight);
        if let Some(controller) = controller {
            controller.abort();
        }
    }

    fn unlock(&self, id: RequestId) {
        let mut locks = self.locks.borrow_mut();
        let place = locks.iter().position(|wish| wish.is_for(id));
        let wish = place.map(|place| locks.swap_remove(place));
        drop(locks);
        let Some(wish) = wish else { return };
        match &mut *self.echo.borrow_mut() {
            Some(echo) => echo.keep(wish),
            None => wish.end(),
        }
    }

    fn tell(self: &Rc<Self>, message: Message) {
        let now = self.now();
        if let Some(channel) = &*self.channel.borrow() {
            if matches!(message, Message::Token(_)) && !self.locks.borrow().is_empty() {
                let echo = Echo::await_next(self.endpoints.shared_name(), self);
                drop(self.echo.replace(echo));
            }
            channel.tell(message, now);
        }
    }

    /// The page is put away, or comes back: an open channel would keep it from being kept whole.
    fn put_away(self: &Rc<Self>, away: bool) {
        let channel =
            if away { None } else { Channel::open(self.endpoints.shared_name(), &Rc::downgrade(self)) };
        *self.channel.borrow_mut() = channel;
    }

    fn settle(&self, waiter: WaiterId, settled: Settled) {
        match settled {
            Settled::Token(token) => {
                let bearer = self.bearer(&token);
                self.host.settle(waiter.0, token.serial().0, &bearer);
            }
            Settled::Anonymous => self.host.settle(waiter.0, 0, &JsValue::UNDEFINED),
            Settled::Failed(code, failure) => {
                self.host.fail(waiter.0, &notice::failure(code, failure, None));
            }
            Settled::Later(failure, wait) => {
                self.host.fail(waiter.0, &notice::failure(ErrorCode::Unavailable, failure, Some(wait)));
            }
        }
    }

    fn bearer(&self, token: &Token) -> JsValue {
        let mut cached = self.bearer.borrow_mut();
        match &*cached {
            Some((serial, value)) if *serial == token.serial() => value.clone(),
            _ => {
                let mut text = String::with_capacity("Bearer ".len() + token.text().len());
                text.push_str("Bearer ");
                text.push_str(token.text());
                let value = JsValue::from_str(&text);
                *cached = Some((token.serial(), value.clone()));
                value
            }
        }
    }
}
