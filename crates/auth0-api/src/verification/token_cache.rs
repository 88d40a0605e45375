//! A cache of tokens whose signature was verified.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a0_discovery::CachePolicy;
use a0_jose::NumericDate;
use lru::LruCache;

use super::Verifier;
use super::token::{SignedToken, TokenDigest};

/// A bounded cache of verified tokens. At the bound, the least recently used token of a shard is evicted.
///
/// Only a token with a valid signature is inserted, so an attacker can neither fill the cache nor choose
/// the shard of an entry; except who has a valid token and the public key of the API's decryption key, and
/// encrypts the token many times.
pub(crate) struct TokenCache {
    policy: CachePolicy,
    shards: Vec<Mutex<Shard>>,
}

/// With smaller shards, evictions would depend too much on how the tokens spread over them.
const MIN_SHARD_CAPACITY: usize = 64;

const MAX_SHARDS: usize = 64;

impl TokenCache {
    /// Creates a cache. `policy` is that of the key cache.
    pub(crate) fn new(max_entries: NonZeroUsize, policy: CachePolicy) -> Self {
        let entries = max_entries.get();
        let shards = (entries / MIN_SHARD_CAPACITY).clamp(1, MAX_SHARDS);
        TokenCache {
            policy,
            // The remainder of the division goes to the first shards.
            shards: (0..shards)
                .map(|index| entries / shards + usize::from(index < entries % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// Returns the cached token, unless the issuer's keys were replaced since it was verified.
    pub(crate) fn get(&self, digest: &TokenDigest) -> Option<Arc<SignedToken>> {
        let mut shard = self.shard(digest)?;
        let signed = shard.entries.get(digest).map(Arc::clone);
        let signed = signed.filter(|signed| !signed.lease.has_ended());
        if signed.is_some() {
            shard.hits = shard.hits.saturating_add(1);
        } else {
            shard.misses = shard.misses.saturating_add(1);
            shard.entries.pop(digest);
        }
        signed
    }

    pub(crate) fn insert(&self, digest: TokenDigest, signed: Arc<SignedToken>) {
        if let Some(mut shard) = self.shard(&digest) {
            shard.entries.put(digest, signed);
            if shard.entries.len() > shard.capacity {
                shard.entries.pop_lru();
            }
        }
    }

    /// Whether the key cache would return the keys that verified the token, without a fetch.
    fn is_current(&self, signed: &SignedToken, now: NumericDate) -> bool {
        signed.lease.holds(&self.policy, now)
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
        let [first, ..] = digest.octets();
        let index = usize::from(*first) % self.shards.len().max(1);
        self.shards.get(index).map(lock)
    }
}

impl<R, S> Verifier<R, S> {
    /// Whether the keys that verified a cached token are still current, so that its signature need not be
    /// verified again.
    pub(super) fn is_current(&self, signed: &SignedToken, now: NumericDate) -> bool {
        let tokens = self.tokens.as_ref();
        tokens.is_some_and(|tokens| tokens.is_current(signed, now))
    }
}

/// A panic while the lock is held leaves the entries consistent, so poisoning is ignored.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The size and the hit counts of the [`token_cache`](crate::Builder::token_cache).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TokenCacheStatus {
    /// The number of tokens in memory. Expired tokens and tokens whose keys were replaced count until they
    /// come again or are evicted.
    pub entries: usize,
    /// The largest number of tokens.
    pub capacity: usize,
    /// Lookups that found the token. If its keys were replaced during the same call, its signature was
    /// verified again all the same.
    pub hits: u64,
    /// Lookups that found no token, or one whose keys had been replaced.
    pub misses: u64,
}

struct Shard {
    capacity: usize,
    hits: u64,
    misses: u64,
    /// Bounded in `insert`: a bounded map would allocate all its entries at once.
    entries: LruCache<TokenDigest, Arc<SignedToken>>,
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
