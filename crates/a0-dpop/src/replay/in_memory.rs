//! The replay store in memory.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

use super::contract::{ReplayStore, ReplayStoreError, Seen};
use super::shard::{Entry, Shard};
use crate::signature::ReplayKey;

/// A bounded [`ReplayStore`] for one process. It never fails.
///
/// # Capacity
///
/// The capacity must cover all proofs that are accepted while one is held. With the default window
/// of 330 seconds (an `iat` up to 300 seconds old or 30 seconds ahead) and a minute that the caller
/// adds, the default of a million entries suffices for 2500 requests per second.
///
/// A full store removes expired entries first. Then it evicts an entry of the key that has the
/// most, and records the new one. Of that key's entries it takes the one nearest its expiry, which
/// protects the shortest time. [`evicted`](Self::evicted) counts the unexpired entries that were
/// dropped.
///
/// So a client that floods the store evicts its own entries, and no entry of a key that has no more
/// than its own. Otherwise a thief with a stolen proof and a valid token of its own could make the
/// store forget that proof. Two limits remain:
///
/// - A store of 2048 or more entries does not distinguish keys with few entries: at most 31 for
///   each lock, which makes about 480 in a store of the default capacity. It evicts their entries,
///   those nearest their expiry first, only if no key has more.
/// - An attacker with many bound tokens, each for another key, can evict entries of others. For the
///   default capacity that takes about 2000 tokens. The authorization server has to limit how many
///   it issues to one client.
///
/// # Cost
///
/// Memory grows with use, and most of it is not released. A million entries take 58 MB if they are
/// of one client or of very many, and up to 77 MB if they are of some thousand, as this crate's
/// example `replay_memory` measures. A call takes logarithmic time, except when a table grows or a
/// queue is resized.
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
    holders: RandomState,
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
            holders: RandomState::new(),
            // The first shards take the remainder of the division.
            shards: (0..shards)
                .map(|index| entries / shards + usize::from(index < entries % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// The number of entries. It includes expired entries that are not removed yet.
    pub fn len(&self) -> usize {
        self.sum(Shard::len)
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

    fn entry(&self, key: &ReplayKey) -> Entry {
        let mut hash = [0; 3];
        for (word, octets) in hash.iter_mut().zip(key.as_bytes().as_chunks().0) {
            *word = u32::from_le_bytes(*octets);
        }
        Entry {
            // Keyed too: otherwise a client could search for a key that counts as another's.
            holder: self.holders.hash_one(key.thumbprint().as_bytes()) as u32,
            hash,
        }
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
        let index = self.spread.hash_one(key.as_bytes()) as usize % self.shards.len().max(1);
        Ok(match self.shards.get(index) {
            Some(shard) => lock(shard).check_and_insert(self.entry(key), expiry, now),
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

/// Ignores poisoning: a thread that panicked with the lock leaves the shard consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
