//! A part of the store in memory: the entries it holds, and which one it drops.

use std::collections::HashSet;

use super::contract::Seen;
use super::queues::{Entry, LargeHolders, SharedQueue};

/// One more than a call adds, so that expired entries decrease with every call.
const EXPIRED_PER_CALL: usize = 2;

/// The most entries of one holder in the shared queue. Most holders have few entries, and a queue
/// for each of them would take several times the memory of its entries.
const MAX_SHARED: usize = 31;

/// A shard shares one entry of each holder for each so many entries of its capacity. Smaller shards
/// share none: their memory does not matter.
const CAPACITY_PER_SHARED: usize = 2048;

/// Between two calls, each entry of `held` is in exactly one queue. The hash of `held` is keyed,
/// because a client that chooses a `jti` can choose bits of an entry.
pub(super) struct Shard {
    pub(super) capacity: usize,
    held: HashSet<Entry>,
    /// The entries of holders that have few, and the first ones of those that have many.
    shared: SharedQueue,
    /// The further entries of holders that have many.
    large: LargeHolders,
    /// Entries that expire before this second may have been removed. If the clock goes back before
    /// it, the shard no longer knows which of those proofs were seen.
    horizon: u32,
    pub(super) evicted: u64,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Shard {
            capacity,
            held: HashSet::new(),
            shared: SharedQueue::new(MAX_SHARED.min(capacity / CAPACITY_PER_SHARED)),
            large: LargeHolders::default(),
            horizon: 0,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn check_and_insert(&mut self, entry: Entry, expiry: u32, now: u32) -> Seen {
        for _ in 0..EXPIRED_PER_CALL {
            self.remove_expired(now);
        }
        // The horizon is checked first: a refused entry must not enter `held`, where nothing would
        // remove it.
        if expiry < self.horizon || !self.held.insert(entry) {
            return Seen::Before;
        }
        if self.held.len() > self.capacity {
            self.evict(entry.holder);
        }
        if self.large.size(entry.holder) > 0 || !self.shared.push(expiry, entry) {
            self.large.push(expiry, entry);
        }
        Seen::First
    }

    fn remove_expired(&mut self, now: u32) {
        let shared = self.shared.first_expiry().map(|expiry| (expiry, None));
        let large = self.large.first_expiry();
        let large = large.map(|(expiry, holder)| (expiry, Some(holder)));
        let first = shared.into_iter().chain(large).min_by_key(|first| first.0);
        if let Some((expiry, holder)) = first
            && expiry < now
        {
            self.remove_first(holder);
            self.horizon = self.horizon.max(expiry.saturating_add(1));
        }
    }

    /// Makes room for an entry of `newcomer`.
    ///
    /// Takes it from the largest holder, but from the newcomer as soon as the newcomer would be as
    /// large. So no holder can push out an entry of another that does not hold more than itself.
    fn evict(&mut self, newcomer: u32) {
        let own = self.large.size(newcomer);
        let holder = self.large.largest().map(|(size, holder)| {
            if own > 0 && own.saturating_add(1) >= size {
                newcomer
            } else {
                holder
            }
        });
        self.remove_first(holder);
        self.evicted = self.evicted.saturating_add(1);
    }

    /// Removes the entry nearest its expiry: one of this large holder, or a shared one.
    fn remove_first(&mut self, holder: Option<u32>) {
        let first = match holder {
            Some(holder) => self.large.pop(holder),
            None => self.shared.pop(),
        };
        if let Some(entry) = first {
            self.held.remove(&entry);
        }
    }
}
