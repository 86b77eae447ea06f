//! What the environment may do: the user, the page's life, the machine, the server's staff.

use fiftyten::event::{EndReason, Event};
use fiftyten::session::Rejection;
use fiftyten::token::Serial;

use crate::choose::Choose;
use crate::property::Result;
use crate::server::Purpose;
use crate::tab::{Life, Tab, config};
use crate::verb::{Said, Verb};
use crate::world::World;

/// Something that the environment does. A number is a tab, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// A request of the application's.
    Request(usize),
    /// The API answers 401 to the request that left last.
    Rejected(usize),
    /// The application gives up the request that has waited longest.
    GiveUp(usize),
    /// Hidden.
    Hide(usize),
    /// Shown.
    Show(usize),
    /// Focused, or online again.
    Wake(usize),
    /// The user is active.
    Active(usize),
    /// Frozen by the browser.
    Freeze(usize),
    /// Resumed.
    Resume(usize),
    /// The process is stopped.
    Stop(usize),
    /// It is continued.
    Continue(usize),
    /// Left, for the back/forward cache.
    PutAway(usize),
    /// Back from there.
    Restore(usize),
    /// Crashed, or closed by the user.
    Kill(usize),
    /// A page is loaded.
    Open(usize),
    /// The application closes its session.
    Close(usize),
    /// This user signs in.
    SignIn(usize, u8),
    /// The user signs out.
    SignOut(usize),
    /// The machine sleeps for so many ms.
    Sleep(u64),
    /// The wall clock is set, by so many ms.
    Jump(i64),
    /// Somebody ends the session elsewhere.
    Revoke,
    /// Its lifetime is over.
    Expire,
    /// The browser loses its cookies.
    LoseCookie,
    /// Locks can't be had any more, or again.
    ToggleLocks,
}

impl Act {
    /// Whether it undoes another: that is free.
    #[must_use]
    pub const fn undoes(self) -> bool {
        matches!(self, Self::Show(_) | Self::Resume(_) | Self::Continue(_) | Self::Restore(_))
    }

    /// Everything that can be done in a browser with so many tabs.
    #[must_use]
    pub fn all(tabs: usize) -> Vec<Self> {
        let mut all = vec![
            Self::Sleep(9_000),
            Self::Sleep(3_600_000),
            Self::Jump(86_400_000),
            Self::Jump(-86_400_000),
            Self::Jump(-20_000),
            Self::Revoke,
            Self::Expire,
            Self::LoseCookie,
            Self::ToggleLocks,
        ];
        for tab in 0..tabs {
            all.extend([
                // What is usual stands there more often.
                Self::Request(tab),
                Self::Request(tab),
                Self::Request(tab),
                Self::Rejected(tab),
                Self::GiveUp(tab),
                Self::Hide(tab),
                Self::Show(tab),
                Self::Show(tab),
                Self::Wake(tab),
                Self::Active(tab),
                Self::Freeze(tab),
                Self::Resume(tab),
                Self::Stop(tab),
                Self::Continue(tab),
                Self::PutAway(tab),
                Self::Restore(tab),
                Self::Kill(tab),
                Self::Open(tab),
                Self::Open(tab),
                Self::Close(tab),
                Self::SignIn(tab, 0),
                Self::SignIn(tab, 1),
                Self::SignOut(tab),
            ]);
        }
        all
    }

    const fn tab(self) -> Option<usize> {
        match self {
            Self::Request(tab)
            | Self::Rejected(tab)
            | Self::GiveUp(tab)
            | Self::Hide(tab)
            | Self::Show(tab)
            | Self::Wake(tab)
            | Self::Active(tab)
            | Self::Freeze(tab)
            | Self::Resume(tab)
            | Self::Stop(tab)
            | Self::Continue(tab)
            | Self::PutAway(tab)
            | Self::Restore(tab)
            | Self::Kill(tab)
            | Self::Open(tab)
            | Self::Close(tab)
            | Self::SignIn(tab, _)
            | Self::SignOut(tab) => Some(tab),
            Self::Sleep(_)
            | Self::Jump(_)
            | Self::Revoke
            | Self::Expire
            | Self::LoseCookie
            | Self::ToggleLocks => None,
        }
    }
}

impl World {
    /// Whether it can be done now.
    #[must_use]
    pub fn can(&self, act: Act) -> bool {
        let Some(tab) = act.tab().map(|tab| &self.tabs[tab]) else {
            return match act {
                // A machine that sleeps and is set back between two looks at its clocks: neither of
                // them can tell. It is the one case that is left to the API's 401.
                Act::Jump(by) => by > 0 || self.have_looked(),
                Act::Sleep(_) => self.have_looked(),
                Act::Revoke | Act::Expire => self.server.live(self.cookie).is_some(),
                Act::LoseCookie => self.cookie.is_some(),
                _ => true,
            };
        };
        match act {
            Act::Open(_) => tab.life == Life::Dead,
            Act::Resume(_) => tab.life == Life::Frozen,
            Act::Continue(_) => tab.life == Life::Stopped,
            Act::Restore(_) => tab.life == Life::Away,
            Act::Kill(_) => tab.life != Life::Dead,
            Act::Hide(_) => tab.life == Life::Running && tab.visible,
            Act::Show(_) => tab.life == Life::Running && !tab.visible,
            Act::GiveUp(_) => tab.life == Life::Running && !tab.truth.held.is_empty(),
            Act::Rejected(_) => tab.life == Life::Running && tab.truth.carried.is_some(),
            _ => tab.life == Life::Running,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What did not hold.
    pub fn act(&mut self, act: Act, choose: &mut dyn Choose) -> Result {
        self.note(|| format!("{act:?}"));
        match act {
            Act::Request(tab) => return self.request(tab, choose),
            Act::Rejected(tab) => {
                let serial = self.tabs[tab].truth.carried.unwrap_or(Serial(0));
                if let Said::Rejection(Rejection::Replay(token)) =
                    self.drive(tab, Verb::Rejected(serial), choose)?
                {
                    self.leave(tab, &token)?;
                }
            }
            Act::GiveUp(tab) => {
                if let Some(held) = self.tabs[tab].truth.held.first().copied() {
                    self.tabs[tab].truth.held.remove(0);
                    self.drive(tab, Verb::GiveUp(held.id), choose)?;
                }
            }
            Act::Hide(tab) => {
                self.tabs[tab].visible = false;
                self.tell(tab, Event::Hidden, choose)?;
            }
            Act::Show(tab) => {
                self.tabs[tab].visible = true;
                self.tell(tab, Event::Shown, choose)?;
            }
            Act::Wake(tab) => self.tell(tab, Event::Woken, choose)?,
            Act::Active(tab) => self.tell(tab, Event::UserActive, choose)?,
            Act::Freeze(tab) => {
                self.tell(tab, Event::Frozen, choose)?;
                self.stands_still(tab, Life::Frozen);
                return self.judge_lock(tab);
            }
            Act::Resume(tab) => {
                self.runs(tab);
                self.tell(tab, Event::Woken, choose)?;
            }
            Act::Stop(tab) => self.stands_still(tab, Life::Stopped),
            Act::Continue(tab) => self.runs(tab),
            Act::PutAway(tab) => {
                self.tell(tab, Event::PutAway, choose)?;
                self.stands_still(tab, Life::Away);
                self.mail.retain(|letter| letter.to != tab);
                return self.judge_lock(tab);
            }
            Act::Restore(tab) => {
                self.runs(tab);
                self.tell(tab, Event::Restored, choose)?;
            }
            Act::Kill(tab) => self.kill(tab),
            Act::Open(tab) => {
                self.seed = self.seed.wrapping_add(1);
                let config = config(self.seed, &self.rules);
                self.tabs[tab] = Tab::new(config, self.machine.read(self.rules.broken), self.machine.now);
                self.drive(tab, Verb::Timeout, choose)?;
            }
            Act::Close(tab) => self.tell(tab, Event::Close, choose)?,
            Act::SignIn(tab, user) => {
                if let Said::Call(Some(id)) = self.drive(tab, Verb::SignIn, choose)? {
                    self.tabs[tab].truth.call = Some(id);
                    self.tabs[tab].reference.entering = true;
                    self.send(tab, id, Purpose::SignIn(user), choose);
                }
            }
            Act::SignOut(tab) => {
                // Meanwhile it takes no token, though it may fail and be signed in again.
                self.tabs[tab].truth.told_token = None;
                if let Said::Call(Some(id)) = self.drive(tab, Verb::SignOut, choose)? {
                    self.tabs[tab].truth.call = Some(id);
                    self.send(tab, id, Purpose::SignOut, choose);
                }
            }
            Act::Sleep(ms) => {
                self.machine.sleep(ms);
                self.disturb();
            }
            Act::Jump(ms) => {
                self.machine.jump(ms);
                self.disturb();
            }
            Act::Revoke => self.end_session(EndReason::SessionRevoked),
            Act::Expire => self.end_session(EndReason::SessionExpired),
            Act::LoseCookie => self.cookie = None,
            Act::ToggleLocks => self.set_locks(self.lock.missing),
        }
        Ok(())
    }

    /// A request of the application's: as `js/` makes it.
    fn request(&mut self, tab: usize, choose: &mut dyn Choose) -> Result {
        match self.drive(tab, Verb::Gate, choose)? {
            Said::Go(token) => {
                self.tally.requests += 1;
                self.leave(tab, &token)
            }
            Said::Wait => {
                self.tally.held += 1;
                self.drive(tab, Verb::Hold, choose).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn tell(&mut self, tab: usize, event: Event, choose: &mut dyn Choose) -> Result {
        // As `src/web/lifecycle.rs`: whatever the page is told, the timer is armed anew.
        self.tabs[tab].timer = None;
        self.drive(tab, Verb::Event(event), choose).map(drop)
    }

    fn stands_still(&mut self, tab: usize, life: Life) {
        self.tabs[tab].life = life;
        let truth = &mut self.tabs[tab].truth;
        truth.stood_still = truth.stood_still.max(self.machine.now);
        if life != Life::Frozen {
            truth.hears_nothing();
        }
    }

    fn runs(&mut self, tab: usize) {
        self.tabs[tab].life = Life::Running;
        self.runs_since_now(tab);
    }

    fn kill(&mut self, tab: usize) {
        self.tabs[tab].life = Life::Dead;
        self.tabs[tab].truth.held.clear();
        self.tabs[tab].timer = None;
        self.lock.forget(tab);
        self.second.forget(tab);
        self.mail.retain(|letter| letter.to != tab);
        // What is on its way to the server gets there all the same; nobody reads the answer.
        self.calls.retain(|call| call.tab != tab || call.arrives.is_some());
        for call in self.calls.iter_mut().filter(|call| call.tab == tab) {
            (call.aborted, call.due) = (true, None);
        }
    }

    /// Whether every page has looked at its clocks since they were disturbed.
    fn have_looked(&self) -> bool {
        self.tabs.iter().all(|tab| tab.life == Life::Dead || !tab.truth.disturbed)
    }

    /// A clock was disturbed: no timer is to be relied upon until the next tick.
    fn disturb(&mut self) {
        let from = self.machine.now + crate::rules::VISIBLE_TICK;
        for tab in &mut self.tabs {
            tab.truth.clear_since = tab.truth.clear_since.map(|_| from);
            tab.truth.disturbed = true;
            tab.truth.told_token = None;
            // Nothing arrives while the machine sleeps.
            tab.truth.told_end = tab.truth.told_end.map(|(row, _)| (row, self.machine.now));
            tab.truth.stood_still = tab.truth.stood_still.max(self.machine.now);
        }
    }

    fn end_session(&mut self, reason: EndReason) {
        if let Some(row) = self.cookie {
            self.server.end(row, self.machine.now, reason);
        }
    }
}
