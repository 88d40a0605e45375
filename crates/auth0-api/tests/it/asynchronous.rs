//! The scenarios with the async client, and tests of dropped, unpolled and concurrent futures.

use std::collections::VecDeque;
use std::future::{poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::scenarios::{self, AUDIENCE, Driver, ENTRY_SECRET, Handle};
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant, TenantServer};
use auth0_api::asynchronous::ApiClient;
use auth0_api::discovery::InMemoryCache;
use auth0_api::jose::{Claims, NumericDate};
use auth0_api::proof::asynchronous::{AsyncReplayStore, ReplayFuture};
use auth0_api::proof::{ReplayKey, ReplayStore};
use auth0_api::transport::{AsyncHttpClient, ResponseFuture, TransportError, TransportErrorKind};
use auth0_api::{
    Builder, ConnectionToken, DpopProof, EntryAuthentication, EntryKeys, Error, ErrorKind,
    IssuedToken, IssuerStatus, OnBehalfOf, Refresh, RequestContext, ReqwestClient, ResolverContext,
    TokenCacheStatus, TokenExchange, TokenOptions, TokenResponse, VerifiedToken, WorkerToken,
};
use tokio::runtime::Runtime;

/// An async client and the runtime of one thread that all calls share.
struct Async(ApiClient, Runtime);

/// A blocking store that answers at once.
struct Immediate<T>(T);

impl<S: ReplayStore> AsyncReplayStore for Immediate<S> {
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.check_and_insert(key, expires_at, now)
        })
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

impl Driver for Async {
    fn build(builder: Builder) -> Result<Self, Error> {
        let client = builder.build_async()?;
        Ok(Async(client, runtime()))
    }

    fn http_client(builder: Builder, handle: impl Handle) -> Builder {
        let handle = Arc::new(handle);
        builder.async_http_client(move |request| {
            let handle = Arc::clone(&handle);
            async move {
                tokio::task::yield_now().await;
                handle(request)
            }
        })
    }

    fn domains_resolver<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        builder: Builder,
        resolver: impl Fn(&ResolverContext<'_>) -> Result<Vec<String>, E> + Send + Sync + 'static,
    ) -> Builder {
        let resolver = Arc::new(resolver);
        builder.async_domains_resolver(move |context| {
            let domains = resolver(context).map_err(Into::into);
            Box::pin(async move {
                tokio::task::yield_now().await;
                domains
            })
        })
    }

    fn cache(builder: Builder, adapter: Arc<InMemoryCache>) -> Builder {
        builder.async_cache(adapter, EntryKeys::new(ENTRY_SECRET).unwrap())
    }

    fn replay_store(builder: Builder, store: impl ReplayStore + 'static) -> Builder {
        builder.async_replay_store(Immediate(store))
    }

    fn verify_request(&self, request: RequestContext<'_>) -> Result<VerifiedToken, Error> {
        self.1.block_on(self.0.verify_request(request))
    }

    fn verify_access_token(
        &self,
        token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error> {
        self.1
            .block_on(self.0.verify_access_token_with(token, options))
    }

    fn authorize(&self, token: &VerifiedToken, policy: &auth0_api::Policy) -> Result<(), Error> {
        self.0.authorize(token, policy)
    }

    fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        self.1.block_on(self.0.verify_dpop_proof(proof))
    }

    fn is_dpop_required(&self) -> bool {
        self.0.is_dpop_required()
    }

    fn dpop_nonce(&self) -> Option<String> {
        self.0.dpop_nonce()
    }

    fn warm_up(&self) -> Result<(), Error> {
        self.1.block_on(self.0.warm_up())
    }

    fn reload(&self, domain: &str) -> Result<(), Error> {
        self.1.block_on(self.0.reload(domain))
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
        self.1
            .block_on(self.0.get_token_by_exchange_profile(request))
    }

    fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error> {
        self.1.block_on(self.0.get_token_on_behalf_of(request))
    }

    fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        self.1
            .block_on(self.0.get_access_token_for_connection(request))
    }

    fn get_access_token_for_connection_as_worker(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let token = self.0.get_access_token_for_connection_as_worker(request);
        self.1.block_on(token)
    }
}

all_scenarios!(Async);

/// Polls `future` at most `polls` times, lets all other tasks run each time, and drops it.
async fn poll_and_drop(future: impl Future, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if polled.await.is_ready() {
            return;
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

/// A client whose responses are ready at the second poll.
struct Slow(LocalNetwork);

impl AsyncHttpClient for Slow {
    fn exchange(&self, request: http::Request<Vec<u8>>) -> ResponseFuture<'_> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            Ok(self.0.handle(request)?)
        })
    }
}

#[test]
fn a_dropped_call_does_not_block_other_callers() {
    for polls in 0..16 {
        let network = LocalNetwork::new();
        let tenant = network.tenant("tenant.example").unwrap();
        tenant.register_client("id", "secret");
        let client = ApiClient::builder()
            .domain("tenant.example")
            .audience(AUDIENCE)
            .client_id("id")
            .client_secret("secret")
            .obo_cache(10)
            .async_http_client(Slow(network))
            .build_async()
            .unwrap();
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        // A call is dropped while two others wait for its fetch.
        runtime().block_on(async {
            let call = async |client: ApiClient, token: String| {
                let request = OnBehalfOf::new(&token, "https://downstream.example/");
                client.verify_access_token(&token).await.is_ok()
                    && client.get_token_on_behalf_of(&request).await.is_ok()
            };
            let first = call(client.clone(), token.clone());
            let others = async {
                tokio::task::yield_now().await;
                let others = [0, 1].map(|_| call(client.clone(), token.clone()));
                let [one, other] = others;
                tokio::join!(one, other)
            };
            let ((), others) = tokio::join!(poll_and_drop(first, polls), others);
            assert_eq!(others, (true, true), "{polls}");
        });
        assert!(tenant.request_count(Endpoint::Token) <= 2);
    }
}

/// A client whose exchanges follow a script. After its end, the tenant answers at once.
struct Scripted {
    tenant: LocalTenant,
    script: Mutex<VecDeque<Step>>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The response is ready at the second poll.
    AtSecondPoll,
    Never,
    Panic,
}

impl AsyncHttpClient for Scripted {
    fn exchange(&self, request: http::Request<Vec<u8>>) -> ResponseFuture<'_> {
        Box::pin(async move {
            if request.uri().path() == "/oauth/token" {
                let step = self.script.lock().unwrap().pop_front();
                let mut polls = 0;
                let step = poll_fn(|_| {
                    polls += 1;
                    match step {
                        Some(Step::AtSecondPoll | Step::Panic) if polls == 1 => Poll::Pending,
                        Some(Step::Never) => Poll::Pending,
                        step => Poll::Ready(step),
                    }
                });
                let panics = matches!(step.await, Some(Step::Panic));
                assert!(!panics, "this exchange panics");
            }
            Ok(self.tenant.handle(request)?)
        })
    }
}

/// A client that has the metadata in memory, for calls with one access token of a user.
struct Callers {
    tenant: LocalTenant,
    client: ApiClient,
    subject: String,
}

type Call<'c> = Pin<Box<dyn Future<Output = Result<IssuedToken, Error>> + Send + 'c>>;

impl Callers {
    fn new(script: &[Step], max_wait: Duration) -> Self {
        let tenant = LocalTenant::new("tenant.example").unwrap();
        tenant.set_now(scenarios::at(scenarios::NOW));
        tenant.register_client("id", "secret");
        let clock = tenant.clone();
        let client = ApiClient::builder()
            .domain("tenant.example")
            .audience(AUDIENCE)
            .client_id("id")
            .client_secret("secret")
            .obo_cache(10)
            .max_wait(max_wait)
            .clock(move || clock.now())
            .async_http_client(Scripted {
                tenant: tenant.clone(),
                script: Mutex::new(script.iter().copied().collect()),
            })
            .build_async()
            .unwrap();
        bare_runtime().block_on(client.warm_up()).unwrap();
        let subject = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        Callers {
            tenant,
            client,
            subject,
        }
    }

    fn call(&self) -> Call<'_> {
        Box::pin(async {
            let request = OnBehalfOf::new(&self.subject, "https://downstream.example/");
            self.client.get_token_on_behalf_of(&request).await
        })
    }

    fn exchanges(&self) -> usize {
        self.tenant.request_count(Endpoint::Token)
    }
}

/// A runtime without timers, as in many programs.
fn bare_runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.build().unwrap()
}

/// Polls `call` once, which leaves it pending.
fn begin(runtime: &Runtime, call: &mut Call<'_>) {
    runtime.block_on(poll_fn(|context| {
        assert!(call.as_mut().poll(context).is_pending());
        Poll::Ready(())
    }));
}

#[test]
fn an_exchange_on_an_idle_runtime_does_not_block_other_callers() {
    let callers = Callers::new(&[Step::AtSecondPoll], Duration::from_millis(10));
    let (idle, running) = (bare_runtime(), bare_runtime());
    let mut leader = callers.call();
    begin(&idle, &mut leader);

    // A waiter gives up in time, although its runtime has no timers.
    let error = running.block_on(callers.call()).unwrap_err();
    assert_eq!(error.error_code(), "timeout_error");
    assert_eq!(error.status_code(), 504);
    // After its time limit, other callers no longer wait for the exchange.
    callers
        .tenant
        .set_now(callers.tenant.now() + Duration::from_secs(96));
    let token = running.block_on(callers.call()).unwrap();
    assert_eq!(callers.exchanges(), 1);

    // When the runtime goes on, the first caller gets its token, which does not replace the newer one.
    let late = idle.block_on(leader).unwrap();
    assert_ne!(late.access_token(), token.access_token());
    let cached = running.block_on(callers.call()).unwrap();
    assert_eq!(cached.access_token(), token.access_token());
    assert_eq!(callers.exchanges(), 2);
}

#[test]
fn a_waiter_takes_over_the_exchange_of_a_dropped_runtime() {
    let callers = Arc::new(Callers::new(&[Step::Never], Duration::MAX));
    let (dropped, running) = (bare_runtime(), bare_runtime());
    let leader = Arc::clone(&callers);
    dropped.spawn(async move { leader.call().await.is_ok() });
    dropped.block_on(tokio::task::yield_now());
    let mut waiters = [callers.call(), callers.call()];
    for waiter in &mut waiters {
        begin(&running, waiter);
    }
    drop(dropped);
    for waiter in waiters {
        assert!(running.block_on(waiter).is_ok());
    }
    assert_eq!(callers.exchanges(), 1);
}

#[test]
fn a_waiter_takes_over_the_exchange_of_a_dropped_call() {
    let callers = Callers::new(&[Step::Never; 3], Duration::MAX);
    let runtime = bare_runtime();
    let mut calls: Vec<_> = (0..5).map(|_| callers.call()).collect();
    for call in &mut calls {
        begin(&runtime, call);
    }
    for _ in 0..3 {
        drop(calls.remove(0));
        if calls.len() > 2 {
            begin(&runtime, &mut calls[0]);
        }
    }
    for call in calls {
        assert!(runtime.block_on(call).is_ok());
    }
    assert_eq!(callers.exchanges(), 1);
}

#[test]
fn waiters_of_polled_futures_give_up_after_two_exchanges_panic() {
    let callers = Callers::new(&[Step::Panic; 9], Duration::MAX);
    let runtime = bare_runtime();
    let mut calls: Vec<_> = (0..5).map(|_| callers.call()).collect();
    for call in &mut calls {
        begin(&runtime, call);
    }
    let panics = |call: &mut Call<'_>| {
        let polled = || {
            runtime.block_on(poll_fn(|context| {
                Poll::Ready(call.as_mut().poll(context).is_ready())
            }))
        };
        catch_unwind(AssertUnwindSafe(polled)).is_err()
    };
    let mut calls = calls.into_iter();
    for round in 0..2 {
        let mut leader = calls.next().unwrap();
        if round > 0 {
            begin(&runtime, &mut leader);
        }
        assert!(panics(&mut leader));
    }
    for call in calls {
        let error = runtime.block_on(call).unwrap_err();
        assert_eq!(error.error_code(), "network_error");
        assert_eq!(error.status_code(), 502);
    }
    assert_eq!(callers.exchanges(), 0);
    // A later caller begins again, and its own exchange panics.
    let mut later = callers.call();
    begin(&runtime, &mut later);
    assert!(panics(&mut later));
}

/// All tasks run on one thread.
#[test]
fn a_hanging_issuer_does_not_delay_other_tasks() {
    struct Stalling(LocalNetwork);
    impl AsyncHttpClient for Stalling {
        fn exchange(&self, request: http::Request<Vec<u8>>) -> ResponseFuture<'_> {
            Box::pin(async move {
                if request.uri().host() == Some("stalled.example") {
                    std::future::pending::<()>().await;
                }
                Ok(self.0.handle(request)?)
            })
        }
    }
    let network = LocalNetwork::new();
    let [stalled, quick] =
        ["stalled.example", "quick.example"].map(|domain| network.tenant(domain).unwrap());
    let client = ApiClient::builder()
        .domains(["stalled.example", "quick.example"])
        .audience(AUDIENCE)
        .async_http_client(Stalling(network))
        .build_async()
        .unwrap();
    let mint = |tenant: &LocalTenant| tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let (stalled_token, quick_token) = (mint(&stalled), mint(&quick));
    runtime().block_on(async {
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let (client, token) = (client.clone(), stalled_token.clone());
                tokio::spawn(async move { client.verify_access_token(&token).await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        for _ in 0..100 {
            assert!(client.verify_access_token(&quick_token).await.is_ok());
        }
        for task in &waiting {
            assert!(!task.is_finished());
            task.abort();
        }
    });
}

/// The server never answers the TLS handshake, because the default client trusts no local CA.
#[test]
fn the_timeout_option_applies_to_the_default_client() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let domain = format!("localhost:{}", silent.local_addr().unwrap().port());
    let tenant = LocalTenant::new(&domain).unwrap();
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .timeout(Duration::from_millis(100))
        .build_async()
        .unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let error = runtime().block_on(client.verify_access_token(&token));
    let error = error.unwrap_err();
    let mut cause = std::error::Error::source(&error);
    let transport = std::iter::from_fn(|| {
        let current = cause?;
        cause = current.source();
        Some(current)
    });
    let transport = transport.filter_map(|cause| cause.downcast_ref::<TransportError>());
    let transport = transport.last();
    let kind = transport.map(TransportError::kind);
    assert_eq!(kind, Some(TransportErrorKind::Timeout));
}

/// A server may move these futures between its threads, whatever the type of the request's body.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: &T) {}
    let client = ApiClient::builder().domain("a.example").audience("a");
    let client = client.build_async().unwrap();
    let request = http::Request::new(std::cell::Cell::new(0));
    send(&client.verify_request(&request));
    send(&client.verify_access_token(""));
    send(&client.verify_dpop_proof(&DpopProof::new("", "", "", "")));
    send(&client.get_token_on_behalf_of(&OnBehalfOf::new("", "")));
    send(&client.get_token_by_exchange_profile(&TokenExchange::new("", "")));
    send(&client.get_access_token_for_connection(&ConnectionToken::new("", "")));
    send(&client.warm_up());
    send(&client.reload(""));
}

#[test]
fn options_of_the_other_kind_of_client_are_refused() {
    let base = || ApiClient::builder().domain("a.example").audience("a");
    let text = |error: Error| {
        assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
        error.error_description()
    };
    let tenant = LocalTenant::new("a.example").unwrap();
    let adapter = || Arc::new(InMemoryCache::new(2));
    let unauthenticated = EntryAuthentication::unauthenticated_entries;
    let store = auth0_api::proof::InMemoryReplayStore::default;
    for (builder, name) in [
        (base().http_client(tenant.client()), "http_client"),
        (base().domains_resolver(|_| Err("")), "domains_resolver"),
        (base().cache(adapter(), unauthenticated()), "cache"),
        (base().replay_store(store()), "replay_store"),
    ] {
        let expected = format!("{name} would block an async client: use async_{name}");
        assert_eq!(text(builder.build_async().unwrap_err()), expected);
    }
    let immediate = |_: http::Request<Vec<u8>>| ready(Err(std::io::ErrorKind::NotFound.into()));
    let immediate = move |request| {
        let response: std::future::Ready<std::io::Result<_>> = immediate(request);
        response
    };
    for (builder, name) in [
        (base().async_http_client(immediate), "http_client"),
        (
            base().async_domains_resolver(|_| Box::pin(async { Err("".into()) })),
            "domains_resolver",
        ),
        (base().async_cache(adapter(), unauthenticated()), "cache"),
        (base().async_replay_store(store()), "replay_store"),
    ] {
        let expected = format!("async_{name} is an option of build_async: use {name} with build");
        assert_eq!(text(builder.build().unwrap_err()), expected);
    }
    // `local_tenant` replaces the options of either kind.
    let local =
        |builder: Builder| builder.local_tenant(tenant.domain(), tenant.client(), tenant.clock());
    let blocking = base().http_client(tenant.client());
    let blocking = blocking.domains_resolver(|_| Err(""));
    assert!(local(blocking).build_async().is_ok());
    let asynchronous = base().async_http_client(immediate);
    let asynchronous = asynchronous.async_domains_resolver(|_| Box::pin(async { Err("".into()) }));
    assert!(local(asynchronous).build().is_ok());
}

/// Includes a refresh in the background.
#[test]
fn a_token_is_verified_over_tls_with_reqwest() {
    let server = TenantServer::start().unwrap();
    let tenant = server.tenant();
    tenant.set_now(std::time::SystemTime::now());
    let http = ReqwestClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())
        .unwrap()
        .build();
    let clock = tenant.clone();
    let client = ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .cache_refresh(Refresh::Background)
        .async_http_client(http)
        .clock(move || clock.now())
        .build_async()
        .unwrap();
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let token = token.mint().unwrap();
    runtime().block_on(async {
        let calls: Vec<_> = (0..64)
            .map(|_| {
                let (client, token) = (client.clone(), token.clone());
                tokio::spawn(async move { client.verify_access_token(&token).await.is_ok() })
            })
            .collect();
        for call in calls {
            assert!(call.await.unwrap());
        }
        assert_eq!(tenant.request_count(Endpoint::Jwks), 1);
        // The refresh is a task. No call waits for it.
        tenant.set_now(tenant.now() + Duration::from_secs(300));
        assert!(client.verify_access_token(&token).await.is_ok());
        while client.key_status()[0].fetching {
            tokio::task::yield_now().await;
        }
        assert_eq!(tenant.request_count(Endpoint::Jwks), 2);
        tenant.misbehave(Endpoint::Discovery, Fault::status(500));
        assert!(client.reload(server.domain()).await.is_err());
    });
}

/// Whoever drops a future knows that it has no outcome. The refresh goes on until its runtime is dropped.
#[test]
fn a_dropped_verification_ends_its_span_without_an_event() {
    type Never = std::io::Result<http::Response<Vec<u8>>>;
    let seen = scenarios::observer::Recorder::default();
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .async_http_client(|_: http::Request<Vec<u8>>| std::future::pending::<Never>())
        .observer(seen.clone())
        .build_async()
        .unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let mut verification = Box::pin(client.verify_access_token(&token));
        let polled = poll_fn(|context| Poll::Ready(verification.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
    });
    assert!(seen.take().is_empty());
    let spans = seen.take_spans();
    let of = |name: &str| {
        let lines = spans.iter().filter(|line| line.ends_with(name));
        lines
            .map(|line| line.split(' ').next().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("verify"), ["begin", "enter", "exit", "drop"]);
    assert_eq!(of("keys"), ["begin", "enter", "exit"]);
    drop(runtime);
    assert_eq!(
        seen.take(),
        ["keys tenant.example abandoned keys_abandoned -"]
    );
    let counts = client.counts();
    assert_eq!(
        (counts.accepted, counts.refused, counts.unavailable),
        (0, 0, 0)
    );
}
