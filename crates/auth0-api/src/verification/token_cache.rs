//! Tokens before and after their signature was verified, and a cache of the latter.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use a0_discovery::{CachePolicy, Lease};
use a0_dpop::VerifiedHeader;
use a0_jose::{Algorithm, Claims, HeaderError, NumericDate, VerifiedJws};
use lru::LruCache;
use zeroize::Zeroizing;

use crate::authorization::resource_server::ResourceServer;

use super::Verifier;
use super::encrypted::{NewToken, OuterToken};

/// A token with an acceptable form.
pub(crate) enum PresentedToken<'t> {
    New(NewToken<'t>),
    /// The same token came before, and its signature was verified then.
    Cached {
        signed: Arc<SignedToken>,
        outer: OuterToken<'t>,
        digest: TokenDigest,
    },
}

impl PresentedToken<'_> {
    pub(crate) fn claims(&self) -> &Claims {
        match self {
            PresentedToken::New(new) => new.verifiable.claims(),
            PresentedToken::Cached { signed, .. } => signed.token.claims(),
        }
    }

    /// The key of the token in the token cache, and the value of `ath` in its proofs.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        match self {
            PresentedToken::New(new) => {
                let verifiable = &mut new.verifiable;
                new.digest.get_or_insert_with(|| verifiable.sha256().into())
            }
            PresentedToken::Cached { digest, .. } => digest,
        }
    }

    /// The header of a proof that was verified with this token before.
    pub(crate) fn proof_header(&self) -> Option<&VerifiedHeader> {
        match self {
            PresentedToken::New(_) => None,
            PresentedToken::Cached { signed, .. } => signed.proof_header.get(),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            PresentedToken::New(new) => new.verifiable.algorithm(),
            PresentedToken::Cached { signed, .. } => signed.token.algorithm(),
        }
    }

    /// The `kid` and the algorithm of the token.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), HeaderError> {
        let header = match self {
            PresentedToken::New(new) => new.verifiable.header(),
            PresentedToken::Cached { signed, .. } => signed.token.header(),
        };
        Ok((header.key_id()?, self.algorithm()))
    }
}

/// A bounded cache of verified tokens. At the bound, the least recently used token of a shard is evicted.
///
/// Only a token with a valid signature is inserted, so an attacker can neither fill the cache nor choose
/// the shard of an entry; except who has a valid token and the public key of the API's decryption key, and
/// encrypts the token many times.
pub(crate) struct TokenCache {
    policy: CachePolicy,
    shards: Vec<Mutex<Shard>>,
}

/// The key of a token: the SHA-256 of its whole text as the client sent it, signature included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

/// A token whose signature was verified.
pub(crate) struct SignedToken {
    pub(crate) token: VerifiedJws,
    /// The lease of the keys that verified it.
    pub(crate) lease: Lease,
    /// `None` if the API configures nothing of it, so that most tokens need no reference. It is here and not
    /// in each `VerifiedToken`, so that a cached token needs none either.
    pub(crate) resource_server: Option<Arc<ResourceServer>>,
    /// The text of the signed token, if it came encrypted and the client keeps access tokens.
    pub(crate) decrypted: Option<Arc<Zeroizing<String>>>,
    /// The header of the first proof that came with it. Most proofs that follow have the same header.
    pub(crate) proof_header: OnceLock<VerifiedHeader>,
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
        let [first, ..] = digest.0;
        let index = usize::from(first) % self.shards.len().max(1);
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
