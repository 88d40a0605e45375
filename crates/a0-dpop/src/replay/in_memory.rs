//! The replay store in memory.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

use super::contract::{ReplayKey, ReplayStore, ReplayStoreError, Seen};

/// A bounded [`ReplayStore`] for one process. It never fails.
///
/// # Capacity
///
/// The capacity must cover all proofs that are accepted while one is held. With the default window
/// of 330 seconds (an `iat` up to 300 seconds old or 30 seconds ahead) and a minute that the caller
/// adds, the default of a million entries suffices for 2500 requests per second.
///
/// A full store removes expired entries first. Then it evicts the entry nearest its expiry, which
/// protects the shortest time, and records the new one. [`evicted`](Self::evicted) counts the
/// unexpired entries that were dropped.
///
/// # Cost
///
/// Memory grows with use and is not released: 58 MB for a million entries, as this crate's example
/// `replay_memory` measures. A call takes logarithmic time, except when a table grows.
///
/// # Expiry
///
/// A call removes at most two expired entries. An expired entry that is not removed yet still
/// counts as held. If the clock goes back, a proof that would expire before the latest removed
/// entry gets [`Seen::Before`], because the store no longer knows whether it was seen.
///
/// # Concurrency
///
/// A keyed hash spreads the entries over up to 16 locks. Each lock has an equal part of the
/// capacity, so a large store evicts its first entry when it is nearly, but not completely, full.
pub struct InMemoryReplayStore {
    spread: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl InMemoryReplayStore {
    /// The capacity of a [default](InMemoryReplayStore::default) store: a million entries.
    pub const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999_999);

    /// Creates an empty store that holds at most `entries` proofs.
    pub fn with_capacity(entries: NonZeroUsize) -> Self {
        let entries = entries.get();
        let shards = (entries / MIN_SHARD_CAPACITY).clamp(1, MAX_SHARDS);
        InMemoryReplayStore {
            spread: RandomState::new(),
            // The first shards take the remainder of the division.
            shards: (0..shards)
                .map(|index| entries / shards + usize::from(index < entries % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// The number of entries. It includes expired entries that are not removed yet.
    pub fn len(&self) -> usize {
        self.sum(|shard| shard.held.len())
    }

    /// Returns whether the store has no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The largest number of entries that the store holds.
    pub fn capacity(&self) -> usize {
        self.sum(|shard| shard.capacity)
    }

    /// The number of entries that were dropped before they expired, since the store was created.
    /// Each of these proofs could have been replayed for the rest of its window. If this is not
    /// zero, raise the capacity.
    pub fn evicted(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| lock(shard).evicted)
            .fold(0, u64::saturating_add)
    }

    fn sum(&self, count: impl Fn(&Shard) -> usize) -> usize {
        self.shards
            .iter()
            .map(|shard| count(&lock(shard)))
            .fold(0, usize::saturating_add)
    }
}

impl Default for InMemoryReplayStore {
    /// Creates a store of [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY).
    fn default() -> Self {
        InMemoryReplayStore::with_capacity(Self::DEFAULT_CAPACITY)
    }
}

impl ReplayStore for InMemoryReplayStore {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        // Float-to-integer casts saturate. From the year 2106 on, nothing expires, and entries are
        // only evicted.
        let expiry = expires_at.as_seconds().max(now.as_seconds()).ceil() as u32;
        let now = now.as_seconds().floor() as u32;
        // The hash is keyed, so that a client cannot choose proofs for one shard and fill it with a
        // fraction of the requests that filling the store takes.
        let index = self.spread.hash_one(key) as usize % self.shards.len().max(1);
        Ok(match self.shards.get(index) {
            Some(shard) => lock(shard).check_and_insert(shorten(key), expiry, now),
            None => Seen::Before,
        })
    }
}

/// Shows the counts only.
impl fmt::Debug for InMemoryReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InMemoryReplayStore")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("evicted", &self.evicted())
            .finish_non_exhaustive()
    }
}

const MAX_SHARDS: usize = 16;

/// With smaller shards, the first eviction would depend on how evenly the hash spreads the entries.
const MIN_SHARD_CAPACITY: usize = 4096;

/// One more than a call adds, so that expired entries decrease with every call.
const EXPIRED_PER_CALL: usize = 2;

/// The first half of a [`ReplayKey`]. Proofs with the same half count as one, so a collision can
/// refuse a proof, but never accept one twice. To refuse a client's next proof, an attacker would
/// have to know its `jti` and compute about 2^128 hashes.
type ShortKey = [u8; 16];

fn shorten(key: &ReplayKey) -> ShortKey {
    let mut short = ShortKey::default();
    for (target, octet) in short.iter_mut().zip(key.as_bytes()) {
        *target = *octet;
    }
    short
}

/// A part of the store. Between two calls, `held` and `by_expiry` have the same keys. The hash of
/// `held` is keyed too, because a client that chooses a `jti` can choose bits of a [`ReplayKey`].
struct Shard {
    capacity: usize,
    held: HashSet<ShortKey>,
    by_expiry: BinaryHeap<Reverse<(u32, ShortKey)>>,
    /// Entries that expire before this second may have been removed. If the clock goes back before
    /// it, the shard no longer knows which of those proofs were seen.
    horizon: u32,
    evicted: u64,
}

impl Shard {
    fn new(capacity: usize) -> Self {
        Shard {
            capacity,
            held: HashSet::new(),
            by_expiry: BinaryHeap::new(),
            horizon: 0,
            evicted: 0,
        }
    }

    fn check_and_insert(&mut self, key: ShortKey, expiry: u32, now: u32) -> Seen {
        for _ in 0..EXPIRED_PER_CALL {
            self.remove_expired(now);
        }
        // The horizon is checked first: a refused key must not enter `held`, where nothing would
        // remove it.
        if expiry < self.horizon || !self.held.insert(key) {
            return Seen::Before;
        }
        if self.held.len() > self.capacity {
            self.evict();
        }
        self.by_expiry.push(Reverse((expiry, key)));
        Seen::First
    }

    fn remove_expired(&mut self, now: u32) {
        if let Some(first) = self.by_expiry.peek_mut()
            && first.0.0 < now
        {
            let Reverse((expiry, key)) = PeekMut::pop(first);
            self.held.remove(&key);
            self.horizon = self.horizon.max(expiry.saturating_add(1));
        }
    }

    fn evict(&mut self) {
        if let Some(Reverse((_, key))) = self.by_expiry.pop() {
            self.held.remove(&key);
            self.evicted = self.evicted.saturating_add(1);
        }
    }
}

/// Ignores poisoning: a thread that panicked with the lock leaves the shard consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
