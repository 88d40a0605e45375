//! A tenant, a cache, and the time, which only a test moves.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::{
    CachePolicy, Freshness, Issuer, IssuerKeys, KeyCache, Unavailable, normalize_domain,
};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalTenant};

use crate::common::{START, at, fetches, policy, rules};

pub(super) type Keys = Result<Arc<IssuerKeys>, Unavailable>;

/// A tenant and a cache. Each call sets the time first.
pub(super) struct World {
    pub(super) tenant: LocalTenant,
    pub(super) cache: KeyCache,
    pub(super) policy: CachePolicy,
}

impl World {
    pub(super) fn new() -> Self {
        World::with(|_| {})
    }

    pub(super) fn with(options: impl FnOnce(&mut CachePolicy)) -> Self {
        let mut policy = policy();
        options(&mut policy);
        let tenant = LocalTenant::new("a.example").unwrap();
        let clock = tenant.clone();
        let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
            .policy(policy)
            .clock(move || clock.now())
            .build();
        World {
            tenant,
            cache,
            policy,
        }
    }

    pub(super) fn go_to(&self, seconds: i64) {
        let now = u64::try_from(START + seconds).unwrap();
        self.tenant.set_now(UNIX_EPOCH + Duration::from_secs(now));
    }

    pub(super) fn keys(&self, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache.keys(&self.issuer(), at(seconds))
    }

    pub(super) fn keys_with(&self, key_id: &str, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache
            .keys_with(&self.issuer(), key_id, Algorithm::Rs256, at(seconds))
    }

    pub(super) fn reload(&self, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache.reload(&self.issuer(), at(seconds))
    }

    pub(super) fn issuer(&self) -> Issuer {
        normalize_domain(self.tenant.domain()).unwrap()
    }

    pub(super) fn fetches(&self) -> (usize, usize) {
        fetches(&self.tenant)
    }

    pub(super) fn requests(&self) -> usize {
        self.tenant.requests().len()
    }

    pub(super) fn take_down(&self) {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            self.tenant.misbehave(endpoint, Fault::status(500));
        }
    }

    pub(super) fn recover(&self) {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            self.tenant.recover(endpoint);
        }
    }

    /// The seconds of `range` at which a call made a request.
    pub(super) fn request_times(&self, range: std::ops::Range<i64>) -> Vec<i64> {
        let mut times = Vec::new();
        for second in range {
            let before = self.requests();
            let outcome = self.keys(second);
            let is_served = self.cache.status(at(second)).remove(0).freshness != Freshness::Absent;
            assert_eq!(outcome.is_ok(), is_served, "{second}");
            if self.requests() > before {
                times.push(second);
            }
        }
        times
    }
}
