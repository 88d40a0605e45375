//! Caches over a scripted tenant, without a socket.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

use std::sync::{Arc, Condvar, Mutex};

use a0_discovery::{
    CachePolicy, EntryAuthentication, FetchRules, IssuerKeys, KeyCache, Refresh, Unavailable,
    normalize_domain,
};
use a0_http::HttpClient;
use a0_jose::{Algorithm, NumericDate};
use a0_testkit::{Endpoint, LocalTenant};

pub const START: i64 = 1_700_000_000;

pub fn at(seconds: i64) -> NumericDate {
    NumericDate::from_unix_seconds(START + seconds)
}

pub fn rules() -> FetchRules {
    FetchRules::new([Algorithm::Rs256])
}

/// The default policy with refreshes on the caller's thread, so that nothing runs in the
/// background.
pub fn policy() -> CachePolicy {
    let mut policy = CachePolicy::default();
    policy.refresh = Refresh::Inline;
    policy
}

/// For tests that read or write entries, and for those that are about something else.
pub fn unauthenticated() -> EntryAuthentication {
    EntryAuthentication::unauthenticated_entries()
}

/// Makes a cache that uses the tenant's clock.
pub fn cache_of(tenant: &LocalTenant) -> KeyCache {
    let clock = tenant.clone();
    KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy())
        .clock(move || clock.now())
        .build()
}

pub fn cache_with(client: impl HttpClient + 'static, policy: CachePolicy) -> KeyCache {
    KeyCache::builder(rules(), Arc::new(client))
        .policy(policy)
        .clock(|| std::time::UNIX_EPOCH + std::time::Duration::from_secs(START.unsigned_abs()))
        .build()
}

pub fn keys_of(
    cache: &KeyCache,
    tenant: &LocalTenant,
    seconds: i64,
) -> Result<Arc<IssuerKeys>, Unavailable> {
    cache.keys(&normalize_domain(tenant.domain()).unwrap(), at(seconds))
}

/// The numbers of requests for metadata and for keys so far.
pub fn fetches(tenant: &LocalTenant) -> (usize, usize) {
    (
        tenant.request_count(Endpoint::Discovery),
        tenant.request_count(Endpoint::Jwks),
    )
}

/// Holds threads until it is opened, and counts them.
#[derive(Default)]
pub struct Stop {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Stop {
    pub fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, open)| !*open).unwrap());
    }

    pub fn wait_arrivals(&self, count: usize) {
        let state = self.state.lock().unwrap();
        drop(
            self.changed
                .wait_while(state, |(arrived, _)| *arrived < count)
                .unwrap(),
        );
    }

    pub fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}
