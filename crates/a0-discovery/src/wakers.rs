//! Tasks that wait for something.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::task::Waker;

use crate::lock::lock;

/// The wakers of tasks that wait, each until it is woken or its ticket is dropped.
#[derive(Debug, Default)]
pub(crate) struct Wakers(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    tickets: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// A place among those who wait, which is given back when it is dropped.
pub(crate) struct Ticket<'w> {
    wakers: &'w Wakers,
    number: u64,
}

impl Wakers {
    pub(crate) fn ticket(&self) -> Ticket<'_> {
        let mut waiting = lock(&self.0);
        waiting.tickets = waiting.tickets.wrapping_add(1);
        Ticket {
            wakers: self,
            number: waiting.tickets,
        }
    }

    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut lock(&self.0).wakers);
        wakers.into_values().for_each(Waker::wake);
    }
}

impl Ticket<'_> {
    pub(crate) fn wait(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let before = lock(&self.wakers.0).wakers.insert(self.number, waker);
        drop(before);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let gone = lock(&self.wakers.0).wakers.remove(&self.number);
        drop(gone);
    }
}
