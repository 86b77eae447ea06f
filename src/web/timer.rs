//! The one timer: a one-shot, set anew whenever the deadline moves.
//!
//! Some time after a page was hidden, Chromium runs those of its timers once a minute that were set by
//! timers that were set by timers, five deep (HTML standard, timer nesting level). Whoever calls in may be
//! such a timer: one of the page's own. So in a hidden page the timer is set by a task of its own, whose
//! nesting level is none, and is never late by more than the second to which hidden timers are aligned.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;

use crate::clock::Instant;
use crate::session::Session;
use crate::web::{Shell, task, time};

#[derive(Default)]
pub(super) struct Timer {
    /// The moment that it is wanted for, and when the clocks were last found to differ: after sleep a timer is
    /// late by as much, though it is wanted for the same moment as before.
    wanted: Cell<Option<(Instant, Instant)>>,
    /// None while it is still to be set by a task of its own.
    timeout: RefCell<Option<Timeout>>,
}

impl Timer {
    pub(super) fn clear(&self) {
        self.wanted.take();
        self.timeout.take();
    }
}

/// Has the timer fire at the deadline.
pub(super) fn arm(shell: &Rc<Shell>, deadline: Option<Instant>) {
    let timer = &shell.timer;
    let wanted = deadline.map(|at| (at, shell.clock.borrow().anchored_at()));
    if timer.wanted.replace(wanted) == wanted {
        return;
    }
    timer.timeout.take();
    if deadline.is_none() {
        return;
    }
    if !shell.page_is_hidden() {
        return set(shell);
    }
    let shell = Rc::downgrade(shell);
    task::run(Box::new(move || {
        if let Some(shell) = shell.upgrade() {
            set(&shell);
        }
    }));
}

fn set(shell: &Rc<Shell>) {
    let mut timeout = shell.timer.timeout.borrow_mut();
    let Some((at, _)) = shell.timer.wanted.get().filter(|_| timeout.is_none()) else { return };
    let delay = time::delay(at.since(shell.now()), !shell.page_is_hidden());
    let shell = Rc::downgrade(shell);
    *timeout = Some(Timeout::new(delay, move || {
        let Some(shell) = shell.upgrade() else { return };
        // It has fired: whatever the deadline is now, it is not set for it.
        shell.timer.clear();
        shell.drive(Session::handle_timeout);
    }));
}
