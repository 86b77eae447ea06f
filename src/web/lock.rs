//! The browser's lock on refreshing: Web Locks, which web-sys has only behind an unstable flag.

use std::rc::{Rc, Weak};

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortController;

use crate::event::{Event, RequestId};
use crate::web::{Shell, task};

#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        granted: &Function,
    ) -> Result<Promise, JsValue>;
}

/// A wish for the lock: pending, or granted.
pub(super) struct Wish {
    id: RequestId,
    controller: AbortController,
    /// Gives it back; the browser holds the lock until it is called.
    release: Function,
}

impl Wish {
    pub(super) fn is_for(&self, id: RequestId) -> bool {
        self.id == id
    }

    /// Withdraws a pending wish, gives a granted lock back.
    pub(super) fn end(self) {
        self.controller.abort();
        // It takes no argument and cannot fail.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// Asks for the lock. The answer is an event, sooner or later; where there are no locks, at once.
pub(super) fn ask(shell: &Rc<Shell>, name: &str, id: RequestId) {
    // It would wait for this page's own, where that one is still kept.
    shell.echo.take();
    if try_ask(shell, name, id).is_err() {
        fail(shell, id);
    }
}

fn fail(shell: &Rc<Shell>, id: RequestId) {
    shell.drive(|session, now| session.handle(Event::LockFailed(id), now));
}

fn try_ask(shell: &Rc<Shell>, name: &str, id: RequestId) -> Result<(), JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let locks: LockManager = Reflect::get(&navigator, &"locks".into())?.unchecked_into();
    if locks.is_undefined() {
        return Err(JsValue::UNDEFINED);
    }
    let controller = AbortController::new()?;
    let options = Object::new();
    Reflect::set(&options, &"signal".into(), &controller.signal())?;
    let mut release = None;
    let held = Promise::new(&mut |resolve, _| release = Some(resolve));
    let Some(release) = release else { return Err(JsValue::UNDEFINED) };
    let weak = Rc::downgrade(shell);
    let granted: Closure<dyn FnMut() -> Promise> = Closure::new(move || {
        // What the last holder told before it gave the lock back is heard first: it waits in the queue of
        // the tasks that this one joins.
        let shell = Weak::clone(&weak);
        task::run(Box::new(move || {
            if let Some(shell) = shell.upgrade() {
                shell.drive(|session, now| session.handle(Event::Locked(id), now));
            }
        }));
        held.clone()
    });
    // Left to the garbage collector: the browser may call it after the wish was withdrawn.
    let granted = granted.into_js_value();
    let pending = locks.request(name, &options, granted.unchecked_ref())?;
    shell.host.keep(&release);
    shell.locks.borrow_mut().push(Wish { id, controller, release });
    let weak = Rc::downgrade(shell);
    spawn_local(async move {
        // It settles when the lock was given back, or the wish withdrawn, or there is none to have.
        let outcome = JsFuture::from(pending).await;
        if let (Err(_), Some(shell)) = (outcome, weak.upgrade()) {
            shell.locks.borrow_mut().retain(|wish| !wish.is_for(id));
            fail(&shell, id);
        }
    });
    Ok(())
}
