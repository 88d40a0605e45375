//! Tokens whose signature was checked, so that it need not be checked each time they come.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use a0_discovery::{CachePolicy, Lease};
use a0_dpop::VerifiedHeader;
use a0_jose::{NumericDate, VerifiedJws};
use lru::LruCache;

/// A bounded store of verified tokens; at the bound the least recently used is dropped.
///
/// Only what a key vouched for comes in, so whoever sends other tokens can neither fill it nor choose
/// where an entry goes.
pub(crate) struct TokenCache {
    policy: CachePolicy,
    shards: Vec<Mutex<Shard>>,
}

/// What a token is found by: the SHA-256 of all of it, the signature too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

/// A token whose signature was checked.
pub(crate) struct Known {
    pub(crate) token: VerifiedJws,
    /// Of the keys that it was checked with.
    pub(crate) lease: Lease,
    /// Of the first proof that came with it, where it is kept: that of most that follow.
    pub(crate) proof_header: OnceLock<VerifiedHeader>,
}

/// Below this a second lock would only make it a matter of chance which token is dropped.
const MIN_SHARD_CAPACITY: usize = 64;

const MAX_SHARDS: usize = 64;

impl TokenCache {
    /// For keys that are kept by `policy`.
    pub(crate) fn new(max_entries: NonZeroUsize, policy: CachePolicy) -> Self {
        let entries = max_entries.get();
        let shards = (entries / MIN_SHARD_CAPACITY).clamp(1, MAX_SHARDS);
        TokenCache {
            policy,
            // The first ones take what the division leaves.
            shards: (0..shards)
                .map(|index| entries / shards + usize::from(index < entries % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// The entry of a token, unless other keys have taken the place of those that vouched for it.
    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Arc<Known>> {
        let mut shard = self.shard(digest)?;
        let known = shard.entries.get(digest).map(Arc::clone);
        let known = known.filter(|known| !known.lease.has_ended());
        match known.is_some() {
            true => shard.hits = shard.hits.saturating_add(1),
            false => {
                shard.misses = shard.misses.saturating_add(1);
                shard.entries.pop(digest);
            }
        }
        known
    }

    pub(crate) fn insert(&self, digest: TokenDigest, known: Arc<Known>) {
        if let Some(mut shard) = self.shard(&digest) {
            shard.entries.put(digest, known);
            if shard.entries.len() > shard.capacity {
                shard.entries.pop_lru();
            }
        }
    }

    /// Whether the keys that vouched for a token are what a look for them would give.
    pub(crate) fn is_settled(&self, known: &Known, now: NumericDate) -> bool {
        known.lease.holds(&self.policy, now)
    }

    pub(crate) fn status(&self) -> TokenCacheStatus {
        let shards = self.shards.iter().map(lock);
        shards.fold(TokenCacheStatus::default(), |sum, shard| TokenCacheStatus {
            entries: sum.entries.saturating_add(shard.entries.len()),
            capacity: sum.capacity.saturating_add(shard.capacity),
            hits: sum.hits.saturating_add(shard.hits),
            misses: sum.misses.saturating_add(shard.misses),
        })
    }

    fn shard(&self, digest: &TokenDigest) -> Option<MutexGuard<'_, Shard>> {
        let [first, ..] = digest.0;
        let index = usize::from(first) % self.shards.len().max(1);
        self.shards.get(index).map(lock)
    }
}

/// A thread that panicked while it held the lock left entries that are whole all the same.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<[u8; 32]> for TokenDigest {
    fn from(octets: [u8; 32]) -> Self {
        TokenDigest(octets)
    }
}

impl TokenDigest {
    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

/// What [`token_cache`](crate::Builder::token_cache) holds and has done, for whoever chooses its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TokenCacheStatus {
    /// Verified tokens in memory. Those that expired, or whose keys were replaced, are among them until
    /// they come again or others need their place.
    pub entries: usize,
    /// The most that are held at once.
    pub capacity: usize,
    /// Tokens that were found. Where their keys were replaced in the same call, the signature was checked
    /// all the same.
    pub hits: u64,
    /// Tokens that were not, or whose keys had been replaced.
    pub misses: u64,
}

struct Shard {
    capacity: usize,
    hits: u64,
    misses: u64,
    /// Bounded by hand: a bounded map takes the room for all its entries at once.
    entries: LruCache<TokenDigest, Arc<Known>>,
}

impl Shard {
    fn new(capacity: usize) -> Self {
        Shard {
            capacity,
            hits: 0,
            misses: 0,
            entries: LruCache::unbounded(),
        }
    }
}
