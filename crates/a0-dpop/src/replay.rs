//! Proofs that were accepted once, RFC 9449 section 11.1.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a0_jose::{NumericDate, Thumbprint};
use sha2::{Digest, Sha256};

use crate::Htu;

/// Where accepted proofs are remembered, so that none is accepted twice.
///
/// # Contract
///
/// One call asks whether a key is held, and holds it if not: **in one step**. Of any number of
/// calls with one key, from any number of threads, exactly one gets [`Seen::First`].
///
/// A key is held up to and including `expires_at`, by the clock that `now` comes from, and may be
/// held longer. That moment is the end of the proof's window, its `iat` plus the offset, and not
/// some time from `now` on: of a proof from the future the window ends later. Where time passes
/// between reading the clock and asking here, the caller puts `expires_at` off, and does not ask
/// when more than that has passed. Where `expires_at` is `now` or earlier, the key is held for this
/// `now` all the same: at the very edge of the window two copies of a proof come in one second, and
/// a time to live that is calculated to be zero or negative would let both through. A `now` that is
/// earlier than that of a call before (clocks are set back, and threads wait between reading the
/// clock and calling) makes no store forget.
///
/// The caller asks last, after every other check of proof and token. If it asked earlier, a proof
/// that is then refused would be burnt, and strangers could fill the store.
///
/// # What a wrong answer costs
///
/// | answer | cost |
/// |---|---|
/// | [`Seen::First`] for a key that is held | whoever stole a proof and its token uses them once more, on the same URL with the same method |
/// | [`Seen::Before`] for a key that is new | one request of an honest client is refused, and it makes a new proof |
/// | an error | the request is not served, and may be repeated: 503 |
///
/// So a store in doubt says `Before`, and one that could neither look nor record says so by an
/// error. It must not answer from a guess: an API that prefers to go on without its store can be
/// told so, at the caller.
///
/// # For several processes
///
/// A store that each process has for itself lets a proof through once per process. A shared one
/// needs an atomic operation, such as Redis' `SET key "" NX PX ttl`, with a `ttl` of `expires_at` -
/// `now`, rounded up, not less than a second, plus one second, plus the most by which the clocks of
/// the processes differ. It has to be answered by the server that holds the data: a replica that
/// lags behind, or a restart without the last writes, forgets.
///
/// ```
/// use a0_dpop::{Htu, InMemoryReplayStore, ReplayKey, ReplayStore, Seen};
/// use a0_jose::{NumericDate, Thumbprint};
///
/// let thumbprint: Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse()?;
/// let url = Htu::parse("https://api.example.com/orders")?;
/// let key = ReplayKey::new(&thumbprint, &url, "e1j3V_bKic8-LAEB");
///
/// let now = NumericDate::from_unix_seconds(1_900_000_000);
/// let expires_at = NumericDate::from_unix_seconds(1_900_000_300);
/// let store = InMemoryReplayStore::default();
/// assert_eq!(store.check_and_insert(&key, expires_at, now)?, Seen::First);
/// assert_eq!(store.check_and_insert(&key, expires_at, now)?, Seen::Before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ReplayStore: Send + Sync {
    /// Whether `key` is held; if not, it is from now on, until `expires_at` at least.
    ///
    /// # Errors
    ///
    /// [`ReplayStoreError`] if the store does not know. Whether the key is held then is open, so
    /// the same proof may get [`Seen::Before`] when it is tried again.
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<Seen, ReplayStoreError>;
}

impl<S: ReplayStore + ?Sized> ReplayStore for Arc<S> {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        S::check_and_insert(self, key, expires_at, now)
    }
}

/// What a [`ReplayStore`] says of a proof.
#[must_use = "a proof that was seen before must be refused"]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a caller has to accept or to refuse; doubt is `Before`, failure an error"
)]
pub enum Seen {
    /// Not seen before, and held from now on: the proof may be accepted.
    First,
    /// Seen before, or not to be told from one that was: the proof must be refused.
    Before,
}

/// What a proof is remembered by: the SHA-256 over key, URL and `jti`.
///
/// The key's thumbprint is part of it, so no client can use up the `jti` of another, and the URL
/// is, because a `jti` has to be unique only for one URL (RFC 9449 section 11.1). The method is
/// not: a `jti` that comes with a second method is refused.
///
/// The hashed octets are: the 32 of the thumbprint, the length of the URL as eight octets with the
/// highest first, the URL, and the `jti`. They are the same in each version of this crate, so that
/// processes of different versions can share a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey([u8; 32]);

impl ReplayKey {
    /// The key of the proof with this `jti` by this key for this URL.
    pub fn new(thumbprint: &Thumbprint, htu: &Htu, jti: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(thumbprint.as_bytes());
        // With the length of all parts but the last, no two triples give the same octets.
        hash.update((htu.as_str().len() as u64).to_be_bytes());
        hash.update(htu.as_str());
        hash.update(jti);
        ReplayKey(hash.finalize().into())
    }

    /// The 32 octets of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A [`ReplayStore`] could not answer. What happened is in [`source`](Error::source) only, since
/// the cause is somebody else's text.
///
/// Two of them are always equal, and a clone shares the cause.
///
/// ```
/// use a0_dpop::ReplayStoreError;
/// use std::error::Error;
///
/// let error = ReplayStoreError::new("connection refused");
/// assert_eq!(error.to_string(), "the replay store failed");
/// assert_eq!(error.source().ok_or("no cause")?.to_string(), "connection refused");
/// # Ok::<(), Box<dyn Error>>(())
/// ```
#[derive(Clone)]
pub struct ReplayStoreError(Arc<dyn Error + Send + Sync>);

impl ReplayStoreError {
    /// An error with its cause, which must not hold credentials: sources are what logs print.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        ReplayStoreError(Arc::from(cause.into()))
    }
}

impl PartialEq for ReplayStoreError {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ReplayStoreError {}

impl fmt::Display for ReplayStoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the replay store failed")
    }
}

impl fmt::Debug for ReplayStoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReplayStoreError(..)")
    }
}

impl Error for ReplayStoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The cause itself, not the `Arc`: only so can it be downcast.
        Some(&*self.0)
    }
}

/// A bounded [`ReplayStore`] for one process. It never fails.
///
/// The capacity has to hold every proof that is accepted while one is held: with the usual 330
/// seconds (an `iat` up to 300 seconds old or 30 seconds ahead) and a minute that the caller adds,
/// a million, the default, are 2500 requests a second. When the store is full, expired entries go
/// first, and then the one nearest its expiry is dropped, since it has the least left to protect;
/// the newcomer is always recorded. What is dropped unexpired is counted by
/// [`evicted`](Self::evicted).
///
/// Memory grows with use, to 58 MB for a million entries (the crate's example `replay_memory`
/// measures it), and is not given back. A call takes time in proportion to the logarithm of the
/// entries, but for the few that make a table grow. It removes at most two that have expired; an
/// expired one that is still there counts as held. Where the clock goes back behind what was
/// removed, proofs that would have expired by then get [`Seen::Before`], for nobody can say whether
/// they were seen.
///
/// The entries are spread over up to 16 locks by a secret hash. Each lock has its part of the
/// capacity, so a large store drops its first entry when it is nearly full, not quite.
pub struct InMemoryReplayStore {
    spread: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl InMemoryReplayStore {
    /// A million entries.
    pub const DEFAULT_CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999_999);

    /// An empty store for `entries` proofs at once.
    pub fn with_capacity(entries: NonZeroUsize) -> Self {
        let entries = entries.get();
        let shards = (entries / MIN_SHARD_CAPACITY).clamp(1, MAX_SHARDS);
        InMemoryReplayStore {
            spread: RandomState::new(),
            // The first ones take what the division leaves.
            shards: (0..shards)
                .map(|index| entries / shards + usize::from(index < entries % shards))
                .map(|capacity| Mutex::new(Shard::new(capacity)))
                .collect(),
        }
    }

    /// The entries held, expired ones that were not yet removed among them.
    pub fn len(&self) -> usize {
        self.sum(|shard| shard.held.len())
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most entries that are held at once.
    pub fn capacity(&self) -> usize {
        self.sum(|shard| shard.capacity)
    }

    /// The entries that were dropped before they expired, since the store was made. Each of these
    /// proofs could have been replayed for the rest of its window: if this is not zero, raise the
    /// capacity.
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
    /// A store of [`DEFAULT_CAPACITY`](Self::DEFAULT_CAPACITY).
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
        // Float-to-integer casts saturate, so from the year 2106 on nothing expires any more, and
        // nothing is forgotten but by eviction.
        let expiry = expires_at.as_seconds().max(now.as_seconds()).ceil() as u32;
        let now = now.as_seconds().floor() as u32;
        // Whoever knows a key must not know which entries share its shard: filling that alone
        // takes a fraction of the requests that filling the store does.
        let index = self.spread.hash_one(key) as usize % self.shards.len().max(1);
        Ok(match self.shards.get(index) {
            Some(shard) => lock(shard).check_and_insert(short(key), expiry, now),
            None => Seen::Before,
        })
    }
}

/// Counts only, for the keys of a million proofs help nobody.
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

/// Below this a second shard would make the moment of the first eviction a matter of chance.
const MIN_SHARD_CAPACITY: usize = 4096;

/// One more than a call can add, so that what has expired becomes less with each call.
const EXPIRED_PER_CALL: usize = 2;

/// Half of a [`ReplayKey`]. Proofs that share it are taken for one, so a collision refuses a proof
/// and never lets one through; to refuse a client's next proof, somebody would have to know its
/// `jti` and calculate about 2^128 hashes.
type ShortKey = [u8; 16];

fn short(key: &ReplayKey) -> ShortKey {
    let mut short = ShortKey::default();
    for (octet, from) in short.iter_mut().zip(key.0) {
        *octet = from;
    }
    short
}

/// `held` and `by_expiry` have the same keys between two calls. The hash of `held` is keyed too: whoever
/// chooses a `jti` can choose bits of a [`ReplayKey`].
struct Shard {
    capacity: usize,
    held: HashSet<ShortKey>,
    by_expiry: BinaryHeap<Reverse<(u32, ShortKey)>>,
    /// Of what expires before this second, some was removed. That costs nobody anything, unless the
    /// clock goes back behind it: then nobody can say what was seen.
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
        // In this order: what is refused is not held, for nothing would ever remove it.
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

/// A thread that panicked while it held the lock left a value that is whole all the same.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
