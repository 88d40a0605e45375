//! Slots by issuer.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use lru::LruCache;

use crate::flight::Slot;
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::stamp::Kept;

/// So many slots are spared for the sake of their leases before one is dropped.
const SPARED: usize = 8;

/// Slots by issuer, the least recently used of which is dropped at the limit.
pub(crate) struct Slots<T: Kept>(Mutex<LruCache<Issuer, Arc<Slot<T>>>>);

impl<T: Kept> Slots<T> {
    /// Bounded by hand: a bounded map takes the room for all its entries at once.
    pub(crate) fn new() -> Self {
        Slots(Mutex::new(LruCache::unbounded()))
    }

    pub(crate) fn slot(&self, issuer: &Issuer, limit: NonZeroUsize) -> Arc<Slot<T>> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(issuer) {
            return Arc::clone(slot);
        }
        let mut spared = 0;
        while slots.len() >= limit.get()
            && let Some((issuer, oldest)) = slots.pop_lru()
        {
            // Whoever keeps what keys vouched for asks their lease, and not for the slot.
            if spared < SPARED && oldest.lock().take_used() {
                spared += 1;
                slots.put(issuer, oldest);
            } else {
                oldest.lock().end();
            }
        }
        let slot = Arc::default();
        slots.put(issuer.clone(), Arc::clone(&slot));
        slot
    }

    /// The last good value of an issuer, as it is.
    pub(crate) fn peek(&self, issuer: &Issuer) -> Option<Arc<T>> {
        let slot = self.lock().peek(issuer).map(Arc::clone)?;
        let good = slot.lock().good();
        good.map(|good| good.value)
    }

    /// Those that are in memory, with their issuers.
    pub(crate) fn all(&self) -> Vec<(Issuer, Arc<Slot<T>>)> {
        let slots = self.lock();
        let slots = slots.iter();
        slots
            .map(|(issuer, slot)| (issuer.clone(), Arc::clone(slot)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Issuer, Arc<Slot<T>>>> {
        lock(&self.0)
    }
}
