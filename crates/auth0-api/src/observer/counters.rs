//! What happened since a client was built, in numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::event::{ExchangeResult, Outcome, RefreshResult, Replay};

/// How often something happened since the client was built. No feature and no observer is needed.
///
/// ```
/// use auth0_api::ApiClient;
///
/// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
/// assert!(client.verify_request(&http::Request::new(())).is_err());
/// let counts = client.counts();
/// assert_eq!((counts.accepted, counts.missing), (0, 1));
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Verifications that accepted a request, a token or a proof.
    pub accepted: u64,
    /// Requests without credentials of a scheme that the API accepts.
    pub missing: u64,
    /// Verifications that a check refused.
    pub refused: u64,
    /// Verifications that ended in a 503.
    pub unavailable: u64,
    /// Verifications that ended in a 500.
    pub misconfigured: u64,
    /// Verified tokens that a policy did not allow, given to
    /// [`ApiClient::authorize`](crate::ApiClient::authorize).
    pub denied: u64,
    /// Requests of the scheme DPoP that were refused because the API passed no URL or no method: see
    /// [`public_url`](crate::Builder::public_url).
    pub requests_without_url: u64,
    /// Proofs that were refused, because they were used before.
    pub proofs_replayed: u64,
    /// Replay checks that failed, because the replay store returned an error.
    pub replay_store_failures: u64,
    /// Proofs that were accepted without a replay check, because the store failed and
    /// [`replay_fail_open`](crate::Builder::replay_fail_open) is set.
    pub proofs_not_recorded: u64,
    /// Refreshes of keys that brought keys, from the issuer or the shared cache.
    pub keys_refreshes: u64,
    /// Refreshes of keys that failed or were abandoned.
    pub keys_refresh_failures: u64,
    /// Entries of the shared cache that were ignored: see
    /// [`KeysRefresh::refused_entries`](crate::observer::KeysRefresh::refused_entries).
    pub shared_entries_refused: u64,
    /// Client flows that returned a token.
    pub tokens_exchanged: u64,
    /// Client flows that returned no token.
    pub exchange_failures: u64,
    /// Calls of an [`Observer`](crate::observer::Observer) that panicked.
    pub observer_panics: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    accepted: StripedCounter,
    missing: Counter,
    refused: Counter,
    unavailable: Counter,
    misconfigured: Counter,
    pub(super) denied: Counter,
    requests_without_url: Counter,
    proofs_replayed: Counter,
    replay_store_failures: Counter,
    proofs_not_recorded: Counter,
    keys_refreshes: Counter,
    keys_refresh_failures: Counter,
    shared_entries_refused: Counter,
    tokens_exchanged: Counter,
    exchange_failures: Counter,
    pub(super) observer_panics: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            accepted: self.accepted.read(),
            missing: self.missing.read(),
            refused: self.refused.read(),
            unavailable: self.unavailable.read(),
            misconfigured: self.misconfigured.read(),
            denied: self.denied.read(),
            requests_without_url: self.requests_without_url.read(),
            proofs_replayed: self.proofs_replayed.read(),
            replay_store_failures: self.replay_store_failures.read(),
            proofs_not_recorded: self.proofs_not_recorded.read(),
            keys_refreshes: self.keys_refreshes.read(),
            keys_refresh_failures: self.keys_refresh_failures.read(),
            shared_entries_refused: self.shared_entries_refused.read(),
            tokens_exchanged: self.tokens_exchanged.read(),
            exchange_failures: self.exchange_failures.read(),
            observer_panics: self.observer_panics.read(),
        }
    }

    pub(super) fn count_verification(&self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted.add_one(),
            Outcome::Missing => self.missing.add_one(),
            Outcome::Refused => self.refused.add_one(),
            Outcome::Unavailable => self.unavailable.add_one(),
            Outcome::Misconfigured => self.misconfigured.add_one(),
        }
    }

    /// Returns whether it is the first one.
    pub(super) fn count_request_without_url(&self) -> bool {
        self.requests_without_url.fetch_add_one() == 0
    }

    pub(super) fn count_replay(&self, result: Replay) {
        match result {
            Replay::First => {}
            Replay::Replayed => self.proofs_replayed.add_one(),
            Replay::Failed => self.replay_store_failures.add_one(),
            Replay::FailedOpen => {
                self.replay_store_failures.add_one();
                self.proofs_not_recorded.add_one();
            }
        }
    }

    pub(super) fn count_refresh(&self, result: RefreshResult, refused_entries: usize) {
        self.shared_entries_refused.add(refused_entries as u64);
        match result {
            RefreshResult::Fetched | RefreshResult::Shared => self.keys_refreshes.add_one(),
            RefreshResult::Unchanged => {}
            RefreshResult::Failed | RefreshResult::Abandoned => {
                self.keys_refresh_failures.add_one();
            }
        }
    }

    pub(super) fn count_exchange(&self, result: ExchangeResult) {
        match result {
            ExchangeResult::Issued | ExchangeResult::Reused => self.tokens_exchanged.add_one(),
            ExchangeResult::NotSent | ExchangeResult::Refused | ExchangeResult::Failed => {
                self.exchange_failures.add_one();
            }
        }
    }
}

/// A counter wraps after 2^64 events.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.fetch_add_one();
    }

    fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// Returns the number before.
    fn fetch_add_one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The number of stripes; a power of two.
const STRIPES: usize = 16;

/// A counter for every verification. One shared number would make all threads wait for its cache line.
#[derive(Default)]
struct StripedCounter([Stripe; STRIPES]);

/// Two cache lines, because processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe(Counter);

static NEXT_STRIPE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static STRIPE: usize = NEXT_STRIPE.fetch_add(1, Ordering::Relaxed) % STRIPES;
}

impl StripedCounter {
    fn add_one(&self) {
        // A thread that is being destroyed may have no stripe of its own any more.
        let stripe = STRIPE.try_with(|stripe| *stripe).unwrap_or_default();
        if let Some(stripe) = self.0.get(stripe) {
            stripe.0.add_one();
        }
    }

    fn read(&self) -> u64 {
        let stripes = self.0.iter().map(|stripe| stripe.0.read());
        stripes.fold(0, u64::wrapping_add)
    }
}
