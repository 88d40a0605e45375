//! The contract of a replay store.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_jose::NumericDate;

use crate::signature::ReplayKey;

/// Remembers accepted proofs, so that none is accepted twice.
///
/// # Contract
///
/// A call looks a key up and records it if it is new, **in one atomic step**. If any number of
/// threads call with the same key, exactly one gets [`Seen::First`].
///
/// The store holds a key up to and including `expires_at`, and may hold it longer. `expires_at` is
/// on the same clock as `now`.
///
/// - `expires_at` is the end of the proof's window, its `iat` plus the offset. It is not a fixed
///   time after `now`: the window of a proof with an `iat` in the future ends later. The caller adds
///   the time that may pass between reading the clock and this call, and does not call if more time
///   has passed.
/// - If `expires_at` is not after `now`, the store still holds the key for this `now`. Two copies
///   of a proof may arrive in the last second of the window, and a time to live of zero would
///   accept both.
/// - If `now` is earlier than in a previous call, the store still forgets nothing. Clocks are set
///   back, and threads are delayed between reading the clock and calling.
///
/// The caller asks the store last, after every other check of proof and token. Otherwise a proof
/// that is refused later would be used up, and anybody could fill the store.
///
/// # The cost of a wrong answer
///
/// | answer | cost |
/// |---|---|
/// | [`Seen::First`] for a key that is held | an attacker with a stolen proof and token uses them once more, on the same URL with the same method |
/// | [`Seen::Before`] for a new key | one request of an honest client is refused, and the client makes a new proof |
/// | an error | the request is not served, and may be repeated: 503 |
///
/// A store that is in doubt answers `Before`. A store that can neither look up nor record returns
/// an error and never guesses: callers decide whether to continue without their store.
///
/// # Several processes
///
/// If each process has its own store, a proof is accepted once per process. A shared store needs an
/// atomic operation, such as Redis' `SET key "" NX PX ttl`. The `ttl` is `expires_at` - `now`,
/// rounded up and at least one second, plus one second, plus the largest difference between the
/// clocks of the processes. The server that holds the data must answer: a replica that lags behind,
/// or a server that restarted without its last writes, forgets proofs.
///
/// # A full store
///
/// A client with a valid token can have any number of proofs accepted. If a full store drops
/// entries by their age alone, that client can make it forget a proof of somebody else, which a
/// thief can then use. A store either drops entries of the key that has the most, as
/// [`InMemoryReplayStore`](crate::InMemoryReplayStore) does with [`ReplayKey::thumbprint`], or
/// drops none and fails. A shared server that knows only the hashes cannot tell keys apart, so let
/// it fail: in Redis, set `maxmemory-policy noeviction`, give it the memory that the requests of a
/// window need, and limit the requests of each client in front of the API.
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
    /// Returns whether `key` was seen before. A new key is held at least until `expires_at`.
    ///
    /// # Errors
    ///
    /// [`ReplayStoreError`] if the store cannot tell. The key may or may not be held afterwards, so
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

/// The answer of a [`ReplayStore`].
#[must_use = "a proof that was seen before must be refused"]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(
    clippy::exhaustive_enums,
    reason = "callers accept or refuse; doubt is `Before`, and failure is an error"
)]
pub enum Seen {
    /// The key is new, and held from now on. The proof may be accepted.
    First,
    /// The key was seen before, or may have been. The proof must be refused.
    Before,
}

/// The error of a [`ReplayStore`] that could not answer. The cause is in [`source`](Error::source)
/// only, because its text may hold anything.
///
/// Two of these errors are always equal. A clone shares the cause.
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
    /// Creates an error with its cause. The cause must not contain credentials, because logs print
    /// it.
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
        // Not the `Arc`, so that callers can downcast the cause.
        Some(&*self.0)
    }
}
