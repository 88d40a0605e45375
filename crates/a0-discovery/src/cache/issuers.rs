//! The records of all issuers.

use std::sync::{Arc, Mutex};

use a0_jose::NumericDate;
use lru::LruCache;

use super::cached::Cached;
use super::flight::Slot;
use super::good::Good;
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::policy::CachePolicy;

/// How many issuers with recently used leases are spared in one eviction. The next one is evicted
/// even if its lease was used.
const SPARED: usize = 8;

/// How many evicted issuers are remembered for each cached one. Their keys are dropped; their
/// back-off and cool-down must outlive the eviction.
const REMEMBERED: usize = 8;

/// The records of all issuers. At the limit the least recently used one is evicted.
pub(crate) struct Issuers<T: Cached>(Mutex<Records<T>>);

struct Records<T: Cached> {
    // `make_room` enforces the limits: a bounded `LruCache` allocates all its entries at once.
    kept: LruCache<Issuer, Arc<Slot<T>>>,
    evicted: LruCache<Issuer, Arc<Slot<T>>>,
}

impl<T: Cached> Issuers<T> {
    pub(crate) fn new() -> Self {
        Issuers(Mutex::new(Records {
            kept: LruCache::unbounded(),
            evicted: LruCache::unbounded(),
        }))
    }

    /// Returns the record of an issuer, and makes one if there is none.
    pub(crate) fn slot(
        &self,
        issuer: &Issuer,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Arc<Slot<T>> {
        let mut records = lock(&self.0);
        if let Some(slot) = records.kept.get(issuer) {
            return Arc::clone(slot);
        }
        let slot = match records.evicted.pop(issuer) {
            Some(slot) => {
                slot.lock().readmit();
                slot
            }
            None => Arc::default(),
        };
        records.make_room(policy, now);
        records.kept.put(issuer.clone(), Arc::clone(&slot));
        slot
    }

    /// The last good value of an issuer, however old. This does not count as a use of the record.
    pub(crate) fn peek(&self, issuer: &Issuer) -> Option<Good<T>> {
        let slot = lock(&self.0).kept.peek(issuer).map(Arc::clone)?;
        let record = slot.lock();
        record.good.clone()
    }

    /// All records with their issuers, without the evicted ones.
    pub(crate) fn all(&self) -> Vec<(Issuer, Arc<Slot<T>>)> {
        let records = lock(&self.0);
        let kept = records.kept.iter();
        kept.map(|(issuer, slot)| (issuer.clone(), Arc::clone(slot)))
            .collect()
    }
}

impl<T: Cached> Records<T> {
    fn make_room(&mut self, policy: &CachePolicy, now: NumericDate) {
        let mut spared = 0;
        while self.kept.len() >= policy.max_issuers.get()
            && let Some((issuer, slot)) = self.kept.pop_lru()
        {
            let mut record = slot.lock();
            // Callers that cache verified tokens check the lease and do not look the record up.
            if spared < SPARED && record.take_used() {
                spared += 1;
                drop(record);
                self.kept.put(issuer, slot);
                continue;
            }
            record.evict();
            let is_worth_keeping = record.is_worth_keeping(policy, now);
            drop(record);
            if is_worth_keeping {
                self.evicted.put(issuer, slot);
            }
        }
        while self.evicted.len() > policy.max_issuers.get().saturating_mul(REMEMBERED) {
            self.evicted.pop_lru();
        }
    }
}
