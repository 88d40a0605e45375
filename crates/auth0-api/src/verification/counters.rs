//! What an operator should notice and no response shows.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something went wrong that no response shows, since the client was built.
///
/// ```
/// use auth0_api::ApiClient;
///
/// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
/// let counts = client.counts();
/// assert_eq!((counts.requests_without_url, counts.proofs_not_recorded), (0, 0));
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Requests of the scheme DPoP that were refused because the API passed no URL or no method: see
    /// [`public_url`](crate::Builder::public_url).
    pub requests_without_url: u64,
    /// Replay checks that failed, because the replay store returned an error.
    pub replay_store_failures: u64,
    /// Proofs that were accepted without a replay check, because the store failed and
    /// [`replay_fail_open`](crate::Builder::replay_fail_open) is set.
    pub proofs_not_recorded: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) requests_without_url: Counter,
    pub(crate) replay_store_failures: Counter,
    pub(crate) proofs_not_recorded: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            requests_without_url: self.requests_without_url.read(),
            replay_store_failures: self.replay_store_failures.read(),
            proofs_not_recorded: self.proofs_not_recorded.read(),
        }
    }
}

/// A counter wraps after 2^64 events.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
