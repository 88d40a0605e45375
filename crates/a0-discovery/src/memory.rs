//! What a cache holds, whichever way its callers wait.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_http::HttpClient;
use a0_jose::NumericDate;

use crate::adapter::CacheAdapter;
use crate::errand::Rules;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchRules, IssuerKeys, ServerMetadata};
use crate::flight::Slot;
use crate::issuer::Issuer;
use crate::lookup::{Goal, Lookup};
use crate::policy::CachePolicy;
use crate::second_level::Misses;
use crate::slots::Slots;
use crate::status::IssuerStatus;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The options of a [`KeyCache`](crate::KeyCache).
#[must_use]
pub struct KeyCacheBuilder<C: ?Sized = dyn HttpClient, A: ?Sized = dyn CacheAdapter> {
    rules: FetchRules,
    client: Arc<C>,
    policy: CachePolicy,
    adapter: Option<Arc<A>>,
    clock: Clock,
}

impl<C: ?Sized, A: ?Sized> KeyCacheBuilder<C, A> {
    pub(crate) fn new(rules: FetchRules, client: Arc<C>) -> Self {
        KeyCacheBuilder {
            rules,
            client,
            policy: CachePolicy::default(),
            adapter: None,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// What is served when.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Where the time of a failure comes from, in place of the system's clock. All other times are
    /// arguments.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    pub(crate) fn with_adapter(mut self, adapter: Arc<A>) -> Self {
        self.adapter = Some(adapter);
        self
    }

    pub(crate) fn memory(self) -> Memory<C, A> {
        Memory {
            keys: Slots::new(),
            metadata: Slots::new(),
            fetcher: Arc::new(Fetcher {
                rules: Rules {
                    fetch: Arc::new(self.rules),
                    policy: self.policy,
                    has_adapter: self.adapter.is_some(),
                    misses: Misses::default(),
                },
                client: self.client,
                adapter: self.adapter,
                clock: self.clock,
            }),
        }
    }
}

pub(crate) struct Memory<C: ?Sized, A: ?Sized> {
    keys: Slots<IssuerKeys>,
    /// Of issuers whose keys nobody asked for.
    metadata: Slots<ServerMetadata>,
    pub(crate) fetcher: Arc<Fetcher<C, A>>,
}

/// Everything that a round needs.
pub(crate) struct Fetcher<C: ?Sized, A: ?Sized> {
    pub(crate) rules: Rules,
    pub(crate) client: Arc<C>,
    pub(crate) adapter: Option<Arc<A>>,
    clock: Clock,
}

impl<C: ?Sized, A: ?Sized> Fetcher<C, A> {
    pub(crate) fn now(&self) -> NumericDate {
        (self.clock)().into()
    }
}

impl<C: ?Sized, A: ?Sized> Memory<C, A> {
    pub(crate) fn keys_slot(&self, issuer: &Issuer) -> Arc<Slot<IssuerKeys>> {
        self.keys.slot(issuer, self.policy().max_issuers)
    }

    pub(crate) fn keys_lookup<'l>(
        &'l self,
        slot: &'l Arc<Slot<IssuerKeys>>,
        goal: Goal<'l>,
        now: NumericDate,
    ) -> Lookup<'l, IssuerKeys> {
        let has_adapter = self.fetcher.rules.has_adapter;
        Lookup::new(slot, self.policy(), has_adapter, goal, now)
    }

    pub(crate) fn metadata_slot(&self, issuer: &Issuer) -> Arc<Slot<ServerMetadata>> {
        self.metadata.slot(issuer, self.policy().max_issuers)
    }

    pub(crate) fn metadata_lookup<'l>(
        &'l self,
        slot: &'l Arc<Slot<ServerMetadata>>,
        now: NumericDate,
    ) -> Lookup<'l, ServerMetadata> {
        Lookup::new(slot, self.policy(), false, Goal::Fresh, now)
    }

    /// The token endpoint by the metadata that came with keys, where those are fresh.
    pub(crate) fn known_token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Option<Result<String, TokenEndpointError>> {
        let keys = self.keys.peek(issuer)?;
        let fetch = &self.fetcher.rules.fetch;
        let is_fresh = self.policy().are_fresh(&*keys, now);
        is_fresh.then(|| fetch.token_endpoint(keys.metadata(), issuer))
    }

    /// The token endpoint by metadata alone, or, while that cannot be had, by that which came with
    /// keys that may be served.
    pub(crate) fn token_endpoint(
        &self,
        found: Result<Arc<ServerMetadata>, Unavailable>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        let fetch = &self.fetcher.rules.fetch;
        let keys = self.keys.peek(issuer);
        match (
            found,
            keys.filter(|keys| self.policy().may_serve(&**keys, now)),
        ) {
            (Ok(found), _) => fetch.token_endpoint(&found.metadata, issuer),
            (Err(_), Some(keys)) => fetch.token_endpoint(keys.metadata(), issuer),
            (Err(error), None) => Err(error.into()),
        }
    }

    pub(crate) fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let slots = self.keys.all().into_iter();
        let status =
            |(issuer, slot): (Issuer, Arc<Slot<_>>)| slot.lock().status(issuer, self.policy(), now);
        slots.map(status).collect()
    }

    pub(crate) fn misses(&self) -> &Misses {
        &self.fetcher.rules.misses
    }

    fn policy(&self) -> &CachePolicy {
        &self.fetcher.rules.policy
    }
}

impl<C: ?Sized, A: ?Sized> fmt::Debug for Memory<C, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &self.keys.all().len())
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}

impl<C: ?Sized, A: ?Sized> fmt::Debug for KeyCacheBuilder<C, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCacheBuilder")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
