//! The state that all clones of a cache share, for blocking and async callers alike.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_jose::NumericDate;

use super::cached::Cached;
use super::flight::{Flight, Slot};
use super::issuers::Issuers;
use super::query::{Goal, Query};
use super::refreshes::{BegunRefresh, Refreshes, What};
use super::round::{Fetched, Plan, Rules, Step};
use super::second_level::Misses;
use super::status::IssuerStatus;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{IssuerKeys, ServerMetadata};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

pub(crate) struct Shared<C: ?Sized, A: ?Sized> {
    keys: Issuers<IssuerKeys>,
    /// For client flows of issuers whose keys nobody asked for.
    metadata: Issuers<ServerMetadata>,
    refreshes: Refreshes,
    pub(super) fetcher: Arc<Fetcher<C, A>>,
}

/// Everything that carries out rounds. Background work holds this and not the cache, so that it ends
/// with the last clone.
pub(crate) struct Fetcher<C: ?Sized, A: ?Sized> {
    pub(super) rules: Rules,
    pub(super) client: Arc<C>,
    pub(super) adapter: Option<Arc<A>>,
    pub(super) clock: Clock,
}

impl<C: ?Sized, A: ?Sized> Fetcher<C, A> {
    pub(super) fn now(&self) -> NumericDate {
        (self.clock)().into()
    }

    /// The first step of a round.
    pub(super) fn begin<'r, T: Fetched>(
        &'r self,
        flight: &Flight<T>,
        issuer: &'r Issuer,
        goal: Goal<'_>,
    ) -> Step<'r, T> {
        let wanted = match goal {
            Goal::Key(key_id, algorithm) => Some((key_id.to_owned(), algorithm)),
            Goal::Fresh | Goal::Newest => None,
        };
        let (in_hand, has_known_age) = flight.in_hand();
        T::begin(Plan {
            rules: &self.rules,
            issuer,
            work: flight.work(),
            wanted,
            now: flight.now(),
            in_hand,
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
            places: &rules.places,
            has_second_level: rules.has_second_level && T::IS_SHARED,
            goal,
            now,
        }
    }

    /// Puts a background refresh into the queue.
    pub(super) fn queue_refresh(&self, issuer: &Issuer, what: What, now: NumericDate) {
        self.refreshes.push(issuer, what, now, self.fetcher.now());
    }

    /// Begins the next background refresh, if there is a place for one.
    pub(super) fn next_refresh(&self) -> Option<BegunRefresh> {
        let rules = &self.fetcher.rules;
        self.refreshes
            .begin_next(&rules.policy, &rules.places, self.fetcher.now())
    }

    /// The token endpoint in the metadata that came with keys, if those are fresh.
    pub(super) fn known_token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Option<Result<String, TokenEndpointError>> {
        let keys = self.keys.peek(issuer)?;
        let fetch = &self.fetcher.rules.fetch;
        let is_fresh = self.policy().are_fresh(keys.stamps(), now);
        is_fresh.then(|| fetch.token_endpoint(keys.metadata(), issuer))
    }

    /// The token endpoint in metadata that was fetched alone. If that cannot be had, the one that came
    /// with keys which may still be served.
    pub(super) fn token_endpoint(
        &self,
        found: Result<Arc<ServerMetadata>, Unavailable>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        let fetch = &self.fetcher.rules.fetch;
        match found {
            Ok(found) => fetch.token_endpoint(&found.metadata, issuer),
            Err(error) => match self.keys.servable(issuer, self.policy(), now) {
                Some(keys) => fetch.token_endpoint(keys.metadata(), issuer),
                None => Err(error.into()),
            },
        }
    }

    pub(super) fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let status = |(issuer, slot): (Issuer, Arc<Slot<_>>)| {
            let mut record = slot.lock();
            record.see_clock(now);
            IssuerStatus::new(issuer, &record, self.policy(), now)
        };
        self.keys.all().into_iter().map(status).collect()
    }

    pub(super) fn misses(&self) -> &Misses {
        &self.fetcher.rules.misses
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
