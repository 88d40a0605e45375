//! The options of a key cache.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_http::HttpClient;
use a0_jose::random_token_id;

use super::adapter::CacheAdapter;
use super::entry_keys::EntryAuthentication;
use super::observer::RefreshObserver;
use super::round::Rules;
use super::second_level::{AdapterFailures, SecondLevel};
use super::shared::{Clock, Fetcher, Shared};
use crate::error::FetchFailure;
use crate::fetch::{FetchRules, IssuerKeys};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// The options of a [`KeyCache`](crate::KeyCache).
#[must_use]
pub struct KeyCacheBuilder<C: ?Sized = dyn HttpClient, A: ?Sized = dyn CacheAdapter> {
    rules: FetchRules,
    client: Arc<C>,
    policy: CachePolicy,
    adapter: Option<(Arc<A>, EntryAuthentication, bool)>,
    clock: Clock,
    initial: Vec<(Issuer, IssuerKeys)>,
    static_keys: HashMap<Issuer, Arc<IssuerKeys>>,
    observer: Option<Arc<dyn RefreshObserver>>,
    pub(super) pause: Arc<dyn Fn(Duration) + Send + Sync>,
    #[cfg(feature = "async")]
    pub(super) sleep: Option<Arc<super::waiting::SleepFn>>,
}

impl<C: ?Sized, A: ?Sized> KeyCacheBuilder<C, A> {
    pub(super) fn new(rules: FetchRules, client: Arc<C>) -> Self {
        KeyCacheBuilder {
            rules,
            client,
            policy: CachePolicy::default(),
            adapter: None,
            clock: Clock::default(),
            initial: Vec::new(),
            static_keys: HashMap::new(),
            observer: None,
            pause: Arc::new(std::thread::sleep),
            #[cfg(feature = "async")]
            sleep: None,
        }
    }

    /// Sets when keys are fetched and served. A value outside the bounds in [`CachePolicy`] is
    /// clamped.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy.clamped();
        self
    }

    /// Overrides the system clock. The cache reads it to date the end of a fetch; all other times
    /// are arguments of the calls.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    /// Starts with keys of `issuer` that were fetched earlier, so that tokens can be verified before the
    /// first fetch and while the issuer is away. `jwks` is the text of its key set (RFC 7517 section 5),
    /// and `fetched_at` the time of the request for it.
    ///
    /// The keys have the age that they would have if this cache had fetched them: they are fresh, then
    /// stale, and past [`max_stale`](CachePolicy::max_stale) they are ignored. Keys from the future are
    /// ignored too. Take them only from a place that nobody else can write to: whoever writes them decides
    /// which tokens are accepted.
    ///
    /// # Errors
    ///
    /// [`FetchFailure`] if the text is no key set, or has no usable key.
    pub fn initial_keys(
        mut self,
        issuer: Issuer,
        jwks: impl AsRef<[u8]>,
        fetched_at: SystemTime,
    ) -> Result<Self, FetchFailure> {
        let keys = self
            .rules
            .read_initial_keys(&issuer, jwks.as_ref(), fetched_at.into())?;
        self.initial.push((issuer, keys));
        Ok(self)
    }

    /// Verifies the tokens of `issuer` with these keys alone, for tests and closed networks. Unlike
    /// [initial keys](Self::initial_keys) they never age: the cache never fetches keys of this issuer,
    /// not even for an unknown `kid` or by `reload`, and ignores its initial keys. To replace the keys,
    /// build another cache. The metadata is fetched only for the token endpoint.
    ///
    /// `jwks` is the text of the key set (RFC 7517 section 5).
    ///
    /// # Errors
    ///
    /// [`FetchFailure`] if the text is no key set, or has no usable key.
    pub fn static_keys(
        mut self,
        issuer: Issuer,
        jwks: impl AsRef<[u8]>,
    ) -> Result<Self, FetchFailure> {
        let keys = self
            .rules
            .read_static_keys(&issuer, jwks.as_ref(), self.clock.now())?;
        self.static_keys.insert(issuer, Arc::new(keys));
        Ok(self)
    }

    /// Sets an observer of the refreshes.
    pub fn observer(mut self, observer: impl RefreshObserver + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    pub(super) fn with_adapter(
        mut self,
        adapter: Arc<A>,
        authentication: EntryAuthentication,
        has_leases: bool,
    ) -> Self {
        self.adapter = Some((adapter, authentication, has_leases));
        self
    }

    pub(super) fn shared(self) -> Shared<C, A> {
        let (adapter, second_level) = match self.adapter {
            Some((adapter, authentication, has_leases)) => {
                let store = SecondLevel {
                    authentication,
                    // Without random numbers, each process fetches for itself.
                    owner: has_leases.then(random_token_id).and_then(Result::ok),
                    max_lifetime: self.policy.max_lifetime(),
                };
                (Some(adapter), Some(store))
            }
            None => (None, None),
        };
        let rules = Rules {
            fetch: Arc::new(self.rules),
            policy: self.policy,
            second_level,
            adapter_failures: AdapterFailures::default(),
            permits: Arc::default(),
        };
        let fetcher = Fetcher {
            rules,
            client: self.client,
            adapter,
            clock: self.clock,
            observer: self.observer,
            pause: self.pause,
            #[cfg(feature = "async")]
            sleep: self.sleep,
        };
        Shared::new(fetcher, self.initial, self.static_keys)
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
