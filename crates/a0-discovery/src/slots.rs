//! Slots by issuer.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use lru::LruCache;

use crate::flight::Slot;
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::stamp::Kept;

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
        let slot = Arc::default();
        slots.put(issuer.clone(), Arc::clone(&slot));
        if slots.len() > limit.get()
            && let Some((_, dropped)) = slots.pop_lru()
        {
            dropped.lock().end();
        }
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
