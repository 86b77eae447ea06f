//! What the tabs of one origin tell each other: a `BroadcastChannel`, and the shape of what goes
//! through it.
//!
//! Moments travel on the wall clock, the only one that tabs share: each has a monotonic clock of
//! its own, and the time of receipt says nothing, because messages wait where a page is frozen.

use std::rc::{Rc, Weak};

use js_sys::{Date, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, MessageEvent};

use crate::clock::{Instant, Millis};
use crate::event::{EndReason, Event};
use crate::message::{Handover, Message};
use crate::protocol::member;
use crate::token::Grant;
use crate::web::lock::Wish;
use crate::web::record::{Value, object};
use crate::web::{Shell, body};

/// Of the messages. Tabs with other versions of this package ignore each other.
const VERSION: f64 = 1.0;

/// A wall clock that was set back by no more than this between two tabs' readings was corrected,
/// not set.
const CORRECTION: f64 = 100.0;

pub(super) struct Channel(BroadcastChannel);

impl Channel {
    /// None where there are no channels: other tabs are then no concern of this one.
    pub(super) fn open(name: &str, shell: &Weak<Shell>) -> Option<Self> {
        if !Reflect::has(&js_sys::global(), &"BroadcastChannel".into()).unwrap_or(false) {
            return None;
        }
        // Where storage is blocked it throws.
        let channel = BroadcastChannel::new(name).ok()?;
        let shell = Weak::clone(shell);
        let listener: Closure<dyn FnMut(MessageEvent)> = Closure::new(move |event: MessageEvent| {
            let Some(shell) = shell.upgrade() else { return };
            let now = shell.now();
            // Told before the clock was set, and heard after: it is older than it seems.
            let doubtful = shell.clock.borrow().set_back_at() == now;
            if let Some(message) =
                read(&event.data(), now).filter(|message| !(doubtful && matches!(message, Message::Token(_))))
            {
                shell.drive(|session, now| session.handle(Event::Heard(message), now));
            }
        });
        // Left to the garbage collector: a message may be on its way when the channel is closed.
        channel.set_onmessage(Some(listener.into_js_value().unchecked_ref()));
        Some(Self(channel))
    }

    pub(super) fn tell(&self, message: Message, now: Instant) {
        // It fails on a channel that was closed meanwhile: then there is nobody to tell.
        let _ = self.0.post_message(&write(message, now));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Hears what its own page tells, as the other tabs do and after them. Until then, or until this is dropped, a lock
/// is kept: the grant to the next tab might overtake the token, and that tab would refresh once more.
pub(super) struct Echo {
    channel: BroadcastChannel,
    kept: Option<Wish>,
}

impl Echo {
    /// None where there are no channels.
    pub(super) fn await_next(name: &str, shell: &Rc<Shell>) -> Option<Self> {
        let channel = BroadcastChannel::new(name).ok()?;
        let shell = Rc::downgrade(shell);
        let heard = Closure::once_into_js(move || {
            if let Some(shell) = shell.upgrade() {
                shell.echo.take();
            }
        });
        channel.set_onmessage(Some(heard.unchecked_ref()));
        Some(Self { channel, kept: None })
    }

    pub(super) fn keep(&mut self, lock: Wish) {
        if let Some(before) = self.kept.replace(lock) {
            before.end();
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.channel.close();
        if let Some(kept) = self.kept.take() {
            kept.end();
        }
    }
}

fn write(message: Message, now: Instant) -> JsValue {
    let v = ("v", Value::Number(VERSION));
    match &message {
        Message::Token(Handover { grant, sent_at, confirmed, active }) => object(&[
            v,
            // As in a refresh body, so that one reader does for both.
            (member::TOKEN, grant.text().into()),
            (member::EXPIRES_IN_MS, Value::Number(grant.expires_in().0 as f64)),
            (member::REFRESH_IN_MS, Value::Number(grant.refresh_in().0 as f64)),
            (
                member::SESSION,
                Value::Record(&[
                    (member::ID, grant.session().id.as_str().into()),
                    (member::USER, grant.session().user.as_str().into()),
                ]),
            ),
            ("sent_at", Value::Number(Date::now() - now.since(*sent_at).0 as f64)),
            ("confirmed", Value::Flag(*confirmed)),
            ("active", Value::Flag(*active)),
        ]),
        Message::Ended { session, reason } => {
            object(&[v, ("ended", session.as_str().into()), ("reason", reason.as_str().into())])
        }
        Message::Active => object(&[v]),
    }
}

fn read(data: &JsValue, now: Instant) -> Option<Message> {
    let member = |name: &str| Reflect::get(data, &name.into()).ok().filter(|value| !value.is_undefined());
    if member("v")?.as_f64() != Some(VERSION) {
        return None;
    }
    if let Some(ended) = member("ended") {
        let reason = EndReason::from_word(&member("reason")?.as_string()?)?;
        return Some(Message::Ended { session: ended.as_string()?, reason });
    }
    let Some(sent_at) = member("sent_at") else { return Some(Message::Active) };
    let age = Date::now() - sent_at.as_f64()?;
    if age.is_nan() || age < -CORRECTION {
        return None;
    }
    Some(Message::Token(Handover {
        grant: body::refresh(data).and_then(Grant::read)?,
        sent_at: now - Millis(age as u64),
        confirmed: member("confirmed")?.as_bool()?,
        active: member("active")?.as_bool()?,
    }))
}
