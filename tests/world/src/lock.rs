//! The browser's Web Lock on refreshing, as it was measured: first come, first served; granted by
//! the browser whether or not the page can run the callback; kept by a page that is frozen or
//! stopped, freed when the page dies.

use std::collections::VecDeque;

use fiftyten::event::RequestId;

/// Who wants it, and for which refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Which tab.
    pub tab: usize,
    /// Its refresh.
    pub id: RequestId,
}

/// The lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lock {
    /// There is no such API here: whoever asks is told so.
    pub missing: bool,
    holder: Option<Claim>,
    /// The holder's page has been told.
    told: bool,
    queue: VecDeque<Claim>,
    refused: VecDeque<Claim>,
}

impl Lock {
    /// A page asks.
    pub fn ask(&mut self, claim: Claim) {
        if self.missing {
            self.refused.push_back(claim);
        } else {
            self.queue.push_back(claim);
            self.grant();
        }
    }

    /// A page withdraws its wish or gives the lock back.
    pub fn release(&mut self, claim: Claim) {
        self.remove(|other| other == claim);
    }

    /// A page is gone.
    pub fn forget(&mut self, tab: usize) {
        self.remove(|claim| claim.tab == tab);
    }

    /// The holder whose page has not been told yet.
    #[must_use]
    pub fn untold(&self) -> Option<Claim> {
        self.holder.filter(|_| !self.told)
    }

    /// Its page is told now, if it is this one.
    pub fn tell(&mut self, claim: Claim) {
        self.told |= self.holder == Some(claim);
    }

    /// Those who asked where there is no lock.
    pub fn refused(&self) -> impl Iterator<Item = Claim> {
        self.refused.iter().copied()
    }

    /// One of them is told now.
    pub fn tell_refused(&mut self, claim: Claim) {
        self.refused.retain(|other| *other != claim);
    }

    /// Whether this refresh has it.
    #[must_use]
    pub fn is_held_for(&self, claim: Claim) -> bool {
        self.holder == Some(claim)
    }

    /// Whether this tab has it or waits for it.
    #[must_use]
    pub fn involves(&self, tab: usize) -> bool {
        self.holder.iter().chain(&self.queue).any(|claim| claim.tab == tab)
    }

    fn remove(&mut self, gone: impl Fn(Claim) -> bool) {
        self.queue.retain(|claim| !gone(*claim));
        self.refused.retain(|claim| !gone(*claim));
        if self.holder.is_some_and(gone) {
            self.holder = None;
            self.grant();
        }
    }

    fn grant(&mut self) {
        if self.holder.is_none() {
            self.holder = self.queue.pop_front();
            self.told = false;
        }
    }
}
