//! The scenarios with the blocking client.

use crate::scenarios::{self, AUDIENCE, Driver, ENTRY_SECRET, Handle};
use a0_testkit::LocalTenant;
use auth0_api::discovery::InMemoryCache;
use auth0_api::jose::Claims;
use auth0_api::observer::{Event, Observer, Span, Work};
use auth0_api::proof::ReplayStore;
use auth0_api::{
    ApiClient, Builder, ConnectionToken, DpopProof, EntryKeys, Error, IssuedToken, IssuerStatus,
    OnBehalfOf, RequestContext, ResolverContext, TokenCacheStatus, TokenExchange, TokenOptions,
    TokenResponse, VerifiedToken, WorkerToken,
};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A blocking client with the options `O`.
struct Blocking<O>(ApiClient, PhantomData<O>);

trait Options: Send + Sync + 'static {
    const SERVES_STALE: bool = false;

    fn add(builder: Builder) -> Builder;

    /// Waits until background refreshes have ended.
    fn settle(_client: &ApiClient) {}
}

impl<O: Options> Driver for Blocking<O> {
    const SERVES_STALE: bool = O::SERVES_STALE;

    fn build(builder: Builder) -> Result<Self, Error> {
        let client = O::add(builder).build()?;
        Ok(Blocking(client, PhantomData))
    }

    fn http_client(builder: Builder, handle: impl Handle) -> Builder {
        builder.http_client(handle)
    }

    fn domains_resolver<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        builder: Builder,
        resolver: impl Fn(&ResolverContext<'_>) -> Result<Vec<String>, E> + Send + Sync + 'static,
    ) -> Builder {
        builder.domains_resolver(resolver)
    }

    fn cache(builder: Builder, adapter: Arc<InMemoryCache>) -> Builder {
        builder.cache(adapter, EntryKeys::new(ENTRY_SECRET).unwrap())
    }

    fn replay_store(builder: Builder, store: impl ReplayStore + 'static) -> Builder {
        builder.replay_store(store)
    }

    fn verify_request(&self, request: RequestContext<'_>) -> Result<VerifiedToken, Error> {
        let outcome = self.0.verify_request(request);
        O::settle(&self.0);
        outcome
    }

    fn verify_access_token(
        &self,
        token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error> {
        let outcome = self.0.verify_access_token_with(token, options);
        O::settle(&self.0);
        outcome
    }

    fn authorize(&self, token: &VerifiedToken, policy: &auth0_api::Policy) -> Result<(), Error> {
        self.0.authorize(token, policy)
    }

    fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        self.0.verify_dpop_proof(proof)
    }

    fn is_dpop_required(&self) -> bool {
        self.0.is_dpop_required()
    }

    fn dpop_nonce(&self) -> Option<String> {
        self.0.dpop_nonce()
    }

    fn warm_up(&self) -> Result<(), Error> {
        self.0.warm_up()
    }

    fn reload(&self, domain: &str) -> Result<(), Error> {
        self.0.reload(domain)
    }

    fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.key_status()
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    fn cache_failures(&self) -> u64 {
        self.0.cache_failures().0
    }

    fn counts(&self) -> auth0_api::Counts {
        self.0.counts()
    }

    fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.token_cache_status()
    }

    fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error> {
        self.0.get_token_by_exchange_profile(request)
    }

    fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error> {
        self.0.get_token_on_behalf_of(request)
    }

    fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        self.0.get_access_token_for_connection(request)
    }

    fn get_access_token_for_connection_as_worker(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<IssuedToken, Error> {
        self.0.get_access_token_for_connection_as_worker(request)
    }
}

/// The caller refreshes keys, so nothing happens in the background of a test.
mod plain {
    pub(super) struct Plain;

    impl super::Options for Plain {
        fn add(builder: auth0_api::Builder) -> auth0_api::Builder {
            builder
        }
    }

    type Client = super::Blocking<Plain>;
    all_scenarios!(Client);
}

/// Keys are refreshed in the background, as by default. A call that finds stale keys uses them, and the
/// next call finds the new keys.
mod background {
    pub(super) struct Background;

    impl super::Options for Background {
        const SERVES_STALE: bool = true;

        fn add(builder: auth0_api::Builder) -> auth0_api::Builder {
            builder.cache_refresh(auth0_api::Refresh::Background)
        }

        fn settle(client: &auth0_api::ApiClient) {
            while client.key_status().iter().any(|status| status.fetching) {
                std::thread::yield_now();
            }
        }
    }

    type Client = super::Blocking<Background>;
    all_scenarios!(Client);
}

/// AWS-LC checks the signatures.
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs {
    pub(super) struct AwsLcRs;

    impl super::Options for AwsLcRs {
        fn add(builder: auth0_api::Builder) -> auth0_api::Builder {
            builder.backend(auth0_api::Backend::AwsLcRs)
        }
    }

    type Client = super::Blocking<AwsLcRs>;
    all_scenarios!(Client);
}

/// The time that a slow resolver takes does not change the age of the keys for other calls.
#[test]
fn a_slow_resolver_does_not_set_the_clock_back_for_other_calls() {
    use a0_testkit::{Endpoint, Fault, LocalTenant};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(scenarios::at(scenarios::NOW));
    let token = tenant
        .access_token()
        .audience(scenarios::AUDIENCE)
        .expires_in(86_400);
    let token = token.mint().unwrap();
    let client = Arc::new(OnceLock::<auth0_api::ApiClient>::new());
    let (others, slow, clock) = (Arc::clone(&client), AtomicUsize::new(0), tenant.clone());
    let text = token.clone();
    let api = scenarios::builder::<Blocking<plain::Plain>>(&tenant)
        .domains_resolver(move |_| {
            // Every other call of the resolver takes two minutes. Another call ends in that time.
            if let Some(client) = others.get()
                && slow.fetch_add(1, Ordering::SeqCst) % 2 == 0
            {
                clock.set_now(clock.now() + Duration::from_secs(120));
                client.verify_access_token(&text).unwrap();
            }
            Ok::<_, std::io::Error>(vec!["tenant.example".to_owned()])
        })
        .build()
        .unwrap();
    api.verify_access_token(&token).unwrap();
    tenant.misbehave(Endpoint::Discovery, Fault::status(503));
    tenant.misbehave(Endpoint::Jwks, Fault::status(503));
    tenant.set_now(tenant.now() + Duration::from_secs(700));
    assert!(client.set(api.clone()).is_ok());
    for _ in 0..3 {
        api.verify_access_token(&token).unwrap();
    }
}

/// Uses the client whenever it is told something, but not while it does so.
struct Asking(OnceLock<ApiClient>, AtomicBool);

impl Asking {
    fn ask(&self) {
        if let Some(client) = self.0.get()
            && !self.1.swap(true, Ordering::Relaxed)
        {
            let request = RequestContext::new().header("Authorization", "Bearer opaque");
            drop(client.verify_request(request));
            drop(client.reload("tenant.example"));
            drop(client.key_status());
            assert!(client.token_cache_status().is_some());
            self.1.store(false, Ordering::Relaxed);
        }
    }
}

impl Observer for Asking {
    fn event(&self, _event: &Event<'_>) {
        self.ask();
    }

    fn begin(&self, _work: &Work<'_>) -> Option<Box<dyn Span>> {
        self.ask();
        None
    }
}

#[test]
fn no_lock_is_held_while_an_observer_runs() {
    // A lock that is taken twice blocks this thread for ever.
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let asking = Arc::new(Asking(OnceLock::new(), AtomicBool::new(false)));
        let tenant = LocalTenant::new("tenant.example").unwrap();
        let client = ApiClient::builder()
            .audience(AUDIENCE)
            .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
            .token_cache(10)
            .observer(Arc::clone(&asking))
            .build()
            .unwrap();
        assert!(asking.0.set(client.clone()).is_ok());
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        for _ in 0..2 {
            client.verify_access_token(&token).unwrap();
        }
        let counts = client.counts();
        assert_eq!((counts.accepted, counts.observer_panics), (2, 0));
        assert!(counts.refused > 5, "{counts:?}");
        done.send(()).unwrap();
    });
    is_done
        .recv_timeout(Duration::from_secs(60))
        .expect("a lock is held while an observer runs");
}
