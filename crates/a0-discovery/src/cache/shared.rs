//! The state that all clones of a cache share, for blocking and async callers.

use std::fmt;
use std::sync::Arc;

use a0_jose::NumericDate;

use super::cached::Cached;
use super::flight::{Flight, Slot};
use super::good::Good;
use super::issuers::Issuers;
use super::query::{Goal, Query};
use super::refreshes::{BegunRefresh, Refreshes, Target};
use super::round::{Fetchable, Plan, Rules, Step};
use super::second_level::AdapterFailures;
use super::status::IssuerStatus;
use crate::clock::Clock;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{IssuerKeys, ServerMetadata};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

pub(crate) struct Shared<C: ?Sized, A: ?Sized> {
    keys: Issuers<IssuerKeys>,
    /// Metadata without keys, for the token endpoint of issuers whose keys are not in memory.
    metadata: Issuers<ServerMetadata>,
    refreshes: Refreshes,
    pub(super) fetcher: Arc<Fetcher<C, A>>,
}

/// Everything that rounds need. Background threads and tasks hold this instead of the cache, so
/// that they do not keep the cache alive.
pub(crate) struct Fetcher<C: ?Sized, A: ?Sized> {
    pub(super) rules: Rules,
    pub(super) client: Arc<C>,
    pub(super) adapter: Option<Arc<A>>,
    pub(super) clock: Clock,
}

impl<C: ?Sized, A: ?Sized> Fetcher<C, A> {
    /// The first step of a round.
    pub(super) fn begin<'r, T: Fetchable>(
        &'r self,
        flight: &Flight<T>,
        issuer: &'r Issuer,
    ) -> Step<'r, T> {
        let (current, has_known_age) = flight.current();
        T::begin(Plan {
            rules: &self.rules,
            issuer,
            purpose: flight.purpose(),
            wanted: flight.wanted(),
            now: flight.now(),
            current,
            has_known_age,
        })
    }
}

impl<C: ?Sized, A: ?Sized> Shared<C, A> {
    pub(super) fn new(fetcher: Fetcher<C, A>) -> Self {
        Shared {
            keys: Issuers::new(),
            metadata: Issuers::new(),
            refreshes: Refreshes::default(),
            fetcher: Arc::new(fetcher),
        }
    }

    pub(super) fn keys_slot(&self, issuer: &Issuer, now: NumericDate) -> Arc<Slot<IssuerKeys>> {
        self.keys.slot(issuer, self.policy(), now)
    }

    pub(super) fn metadata_slot(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Arc<Slot<ServerMetadata>> {
        self.metadata.slot(issuer, self.policy(), now)
    }

    pub(super) fn query<'q, T: Cached>(
        &'q self,
        slot: &'q Arc<Slot<T>>,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Query<'q, T> {
        let rules = &self.fetcher.rules;
        Query {
            slot,
            policy: &rules.policy,
            permits: &rules.permits,
            has_second_level: rules.has_second_level && T::IS_SHARED,
            goal,
            now,
        }
    }

    /// Queues a background refresh.
    pub(super) fn queue_refresh(&self, issuer: &Issuer, target: Target, now: NumericDate) {
        self.refreshes
            .push(issuer, target, now, self.fetcher.clock.now());
    }

    /// Begins the next background refresh, if there is a permit for one.
    pub(super) fn next_refresh(&self) -> Option<BegunRefresh> {
        let rules = &self.fetcher.rules;
        self.refreshes
            .begin_next(&rules.policy, &rules.permits, self.fetcher.clock.now())
    }

    /// The token endpoint in the metadata of the keys in memory, if they are fresh.
    pub(super) fn fresh_token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Option<Result<String, TokenEndpointError>> {
        let keys = self.keys.peek(issuer)?.value;
        let fetch = &self.fetcher.rules.fetch;
        let is_fresh = self.policy().are_fresh(keys.stamps(), now);
        is_fresh.then(|| fetch.token_endpoint(keys.metadata(), issuer))
    }

    /// The token endpoint in metadata that was fetched alone. If that metadata is unavailable, this
    /// falls back to the metadata of keys that may still be served.
    pub(super) fn token_endpoint(
        &self,
        fetched: Result<Arc<ServerMetadata>, Unavailable>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        let fetch = &self.fetcher.rules.fetch;
        let is_servable = |keys: &Good<IssuerKeys>| keys.may_be_served(self.policy(), now);
        match fetched {
            Ok(fetched) => fetch.token_endpoint(&fetched.metadata, issuer),
            Err(error) => match self.keys.peek(issuer).filter(is_servable) {
                Some(keys) => fetch.token_endpoint(keys.value.metadata(), issuer),
                None => Err(error.into()),
            },
        }
    }

    pub(super) fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let status = |(issuer, slot): (Issuer, Arc<Slot<_>>)| {
            let mut record = slot.lock();
            record.observe_clock(now);
            IssuerStatus::new(issuer, &record, self.policy(), now)
        };
        self.keys.all().into_iter().map(status).collect()
    }

    pub(super) fn adapter_failures(&self) -> &AdapterFailures {
        &self.fetcher.rules.adapter_failures
    }

    fn policy(&self) -> &CachePolicy {
        &self.fetcher.rules.policy
    }
}

impl<C: ?Sized, A: ?Sized> fmt::Debug for Shared<C, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &self.keys.all().len())
            .field("refreshes_queued", &self.refreshes.len())
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}
