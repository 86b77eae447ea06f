//! The requests that are held back, in the order in which they came.
//!
//! Ids are consecutive and every request is held for the same time, so the queue is sorted by id
//! and by limit at once: whatever happens to one costs the same however many there are.

use std::collections::VecDeque;

use crate::action::WaiterId;
use crate::clock::Instant;
use crate::token::Serial;

/// Why a request is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// It has not been sent: there is no live token.
    Send,
    /// It was answered 401 and may be sent once more.
    Replay,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiter {
    pub(super) purpose: Purpose,
    /// The user it was made for, by their first token; none while it is not known whether there
    /// is one.
    pub(super) user: Option<Serial>,
    pub(super) limit: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiters {
    first: u32,
    /// A hole is a request that was settled or given up before those that came earlier. The front
    /// is never a hole.
    queue: VecDeque<Option<Waiter>>,
}

impl Waiters {
    pub(super) const fn new() -> Self {
        Self { first: 0, queue: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The limit of the one that has waited longest.
    pub(super) fn first_limit(&self) -> Option<Instant> {
        self.queue.front().and_then(Option::as_ref).map(|waiter| waiter.limit)
    }

    pub(super) fn push(&mut self, waiter: Waiter) -> WaiterId {
        let id = self.first.wrapping_add(self.queue.len() as u32);
        self.queue.push_back(Some(waiter));
        WaiterId(id)
    }

    /// Takes one out; `None` if it is not there any more.
    pub(super) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let place = id.0.wrapping_sub(self.first) as usize;
        let waiter = self.queue.get_mut(place)?.take();
        self.trim();
        waiter
    }

    /// Takes the longest waiting one out if its limit is at or before `until`.
    pub(super) fn pop_due(&mut self, until: Instant) -> Option<(WaiterId, Waiter)> {
        self.queue.front()?.as_ref().filter(|waiter| waiter.limit <= until)?;
        let id = WaiterId(self.first);
        let waiter = self.queue.front_mut()?.take()?;
        self.trim();
        Some((id, waiter))
    }

    /// Takes out all that `wanted` says, in order.
    pub(super) fn drain_if(&mut self, wanted: impl Fn(&Waiter) -> bool) -> Vec<(WaiterId, Waiter)> {
        let first = self.first;
        let drained = self
            .queue
            .iter_mut()
            .enumerate()
            .filter(|(_, slot)| slot.as_ref().is_some_and(&wanted))
            .filter_map(|(place, slot)| {
                slot.take().map(|waiter| (WaiterId(first.wrapping_add(place as u32)), waiter))
            })
            .collect();
        self.trim();
        drained
    }

    fn trim(&mut self) {
        while let Some(None) = self.queue.front() {
            self.queue.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(limit: u64) -> Waiter {
        Waiter { purpose: Purpose::Send, user: None, limit: Instant(limit) }
    }

    #[test]
    fn each_leaves_once_by_whichever_way_comes_first() {
        let mut waiters = Waiters::new();
        let ids: Vec<WaiterId> = (0..5).map(|n| waiters.push(waiter(n))).collect();
        assert!(waiters.remove(ids[1]).is_some());
        assert!(waiters.remove(ids[1]).is_none());
        assert_eq!(waiters.pop_due(Instant(1)).unwrap().0, ids[0]);
        assert_eq!(waiters.pop_due(Instant(1)), None);
        assert_eq!(waiters.first_limit(), Some(Instant(2)));
        let rest: Vec<WaiterId> = waiters.drain_if(|_| true).into_iter().map(|(id, _)| id).collect();
        assert_eq!(rest, ids[2..]);
        assert!(waiters.is_empty());
        assert!(waiters.remove(ids[4]).is_none());
        assert!(!ids.contains(&waiters.push(waiter(9))));
    }

    #[test]
    fn ids_may_wrap_around() {
        let mut waiters = Waiters { first: u32::MAX, queue: VecDeque::new() };
        let last = waiters.push(waiter(1));
        let next = waiters.push(waiter(2));
        assert_eq!((last, next), (WaiterId(u32::MAX), WaiterId(0)));
        assert!(waiters.remove(last).is_some());
        assert!(waiters.remove(next).is_some());
    }
}
