//! The options and their defaults.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_discovery::{CacheAdapter, CachePolicy};
use a0_dpop::{NonceIssuer, ProofRules, ReplayStore};
use a0_http::HttpClient;
use a0_jose::{Algorithm, Backend, Signer};
use a0_token_exchange::ClientAuth;
use zeroize::Zeroizing;

use crate::client_flows::FlowOptions;
use crate::verification::issuers::{Resolver, ResolverContext};
use crate::verification::scheme::DpopMode;

/// Which access tokens a tenant issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenProfile {
    /// `typ` may be absent, `JWT` or `at+jwt`: Auth0's default profile and RFC 9068's alike.
    #[default]
    Lenient,
    /// RFC 9068: `typ` is `at+jwt`, and `iss exp aud sub client_id iat jti` are all there, in their
    /// types.
    Rfc9068,
}

/// The options of an [`ApiClient`](crate::ApiClient).
///
/// ```
/// use std::time::Duration;
/// use auth0_api::{ApiClient, TokenProfile};
///
/// let client = ApiClient::builder()
///     .domain("tenant.eu.auth0.com")
///     .audience("https://api.example/")
///     .token_profile(TokenProfile::Rfc9068)
///     .leeway(Duration::from_secs(5))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[must_use]
#[derive(Clone)]
pub struct Builder {
    pub(crate) domain: Option<String>,
    pub(crate) domains: Option<Vec<String>>,
    pub(crate) domains_resolver: Option<Resolver>,
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<String>,
    pub(crate) backend: Backend,
    pub(crate) token_profile: TokenProfile,
    pub(crate) required_claims: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) max_token_size: usize,
    pub(crate) token_cache: usize,
    pub(crate) cache_policy: CachePolicy,
    /// The variable that `cache_ttl` comes from, if it is one.
    pub(crate) cache_ttl_variable: Option<&'static str>,
    pub(crate) max_stale: Option<Duration>,
    pub(crate) cache_max_entries: usize,
    pub(crate) cache: Option<Arc<dyn CacheAdapter>>,
    pub(crate) trusted_endpoints: Vec<String>,
    pub(crate) dpop: DpopMode,
    /// What the environment says of it, for `build` to put together with that.
    pub(crate) dpop_enabled: Option<bool>,
    pub(crate) dpop_required: Option<bool>,
    pub(crate) proof_rules: ProofRules,
    pub(crate) dpop_algorithms: Vec<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) replay_store: Replay,
    pub(crate) replay_fail_open: bool,
    pub(crate) nonces: Option<NonceIssuer>,
    pub(crate) flows: FlowOptions,
    #[cfg(feature = "async")]
    pub(crate) asynchronous: crate::async_options::AsyncOptions,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) http_client: Option<Arc<dyn HttpClient>>,
    pub(crate) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// The first value that could not be taken, for `build` to report.
    pub(crate) refused: Option<String>,
}

/// Where proofs are remembered.
#[derive(Clone)]
pub(crate) enum Replay {
    /// In a store of the client's own, made with the client.
    InMemory,
    In(Arc<dyn ReplayStore>),
    Off,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            domain: None,
            domains: None,
            domains_resolver: None,
            audiences: Vec::new(),
            algorithms: vec![Algorithm::Rs256.name().to_owned()],
            backend: Backend::default(),
            token_profile: TokenProfile::default(),
            required_claims: Vec::new(),
            leeway: Duration::ZERO,
            max_token_size: 16 * 1024,
            token_cache: 0,
            cache_policy: CachePolicy::default(),
            cache_ttl_variable: None,
            max_stale: None,
            cache_max_entries: 100,
            cache: None,
            trusted_endpoints: Vec::new(),
            dpop: DpopMode::default(),
            dpop_enabled: None,
            dpop_required: None,
            proof_rules: ProofRules::new(),
            dpop_algorithms: vec![Algorithm::Es256.name().to_owned()],
            public_url: None,
            replay_store: Replay::InMemory,
            replay_fail_open: false,
            nonces: None,
            flows: FlowOptions::default(),
            #[cfg(feature = "async")]
            asynchronous: Default::default(),
            timeout: None,
            max_wait: None,
            http_client: None,
            clock: Arc::new(SystemTime::now),
            refused: None,
        }
    }
}

impl Builder {
    /// The tenant's domain, or a custom one: `tenant.eu.auth0.com`. Its tokens are taken unless
    /// [`domains`](Builder::domains) or [`domains_resolver`](Builder::domains_resolver) say whose
    /// are.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The domains whose tokens are taken, in place of `domain`.
    pub fn domains<S: Into<String>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.domains = Some(domains.into_iter().map(Into::into).collect());
        self
    }

    /// A function that names the domains whose tokens are taken, in place of a list. It is called for
    /// every token whose form, header and `iss` pass, before anything is fetched, on the thread of
    /// the caller; an error from it is a 500 of this API's own.
    ///
    /// What it looks at comes from the client: see [`ResolverContext`].
    ///
    /// ```
    /// use auth0_api::{ApiClient, ResolverContext};
    ///
    /// let resolver = |context: &ResolverContext<'_>| match context.request_url() {
    ///     Some(url) if url.starts_with("https://eu.api.example/") => Ok(vec!["eu.tenant.example".into()]),
    ///     Some(url) if url.starts_with("https://us.api.example/") => Ok(vec!["us.tenant.example".into()]),
    ///     _ => Err("a request to a URL that is not ours"),
    /// };
    /// ApiClient::builder().domains_resolver(resolver).audience("https://api.example/").build()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn domains_resolver<F, E>(mut self, resolver: F) -> Self
    where
        F: Fn(&ResolverContext<'_>) -> Result<Vec<String>, E> + Send + Sync + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.domains_resolver = Some(Arc::new(move |context: &ResolverContext<'_>| {
            resolver(context).map_err(Into::into)
        }));
        self
    }

    /// An identifier of this API, as it stands in `aud`. May be called several times: a token passes
    /// if it names any one of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The allowed signature algorithms by their registered names, in place of RS256. For an RSA key
    /// that does not say which algorithm it is for, the first RSA algorithm here is the one.
    pub fn algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = names.into_iter().map(Into::into).collect();
        self
    }

    /// What signatures of tokens and proofs are checked with; OpenSSL by default. A feature adds a
    /// backend, and only this chooses it.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Which access tokens the tenant issues; lenient by default.
    pub fn token_profile(mut self, profile: TokenProfile) -> Self {
        self.token_profile = profile;
        self
    }

    /// Claims that every token must have, of whatever value.
    pub fn required_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Tolerance for `exp` and `nbf` when clocks differ: none by default, 300 seconds at most.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest token and the longest proof that are looked at, in bytes; 16 KiB by default.
    pub fn max_token_size(mut self, bytes: usize) -> Self {
        self.max_token_size = bytes;
        self
    }

    /// Origins other than the issuer's own that keys may come from, and that client credentials and
    /// tokens may go to, such as `https://login.example`.
    pub fn trusted_endpoints<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.trusted_endpoints = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Whether requests may or must prove possession of their token's key (RFC 9449); allowed by
    /// default. Variables may strengthen it: see [`from_env`](Builder::from_env).
    pub fn dpop(mut self, mode: DpopMode) -> Self {
        self.dpop = mode;
        self
    }

    /// How far in the future a proof's `iat` may lie; 30 seconds by default. With
    /// [`dpop_iat_offset`](Builder::dpop_iat_offset) 3600 seconds at most.
    pub fn dpop_iat_leeway(mut self, leeway: Duration) -> Self {
        self.proof_rules = self.proof_rules.iat_leeway(leeway);
        self
    }

    /// How far in the past a proof's `iat` may lie; 300 seconds by default. Proofs are remembered
    /// for as long, and a minute more.
    pub fn dpop_iat_offset(mut self, offset: Duration) -> Self {
        self.proof_rules = self.proof_rules.iat_offset(offset);
        self
    }

    /// The allowed algorithms of proofs by their registered names, in place of ES256.
    pub fn dpop_algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.dpop_algorithms = names.into_iter().map(Into::into).collect();
        self
    }

    /// Scheme, authority and path prefix by which clients know this API, such as
    /// `https://api.example/v1`. A proof names the URL that its client used, and an
    /// [`http::Request`] does not have it: without this option requests of the scheme DPoP need
    /// [`RequestContext::url`](crate::RequestContext::url).
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into());
        self
    }

    /// Where proofs are remembered, in place of a store in memory that each client makes for itself:
    /// one for all clients and processes behind one URL. An `Arc` of a store is a store.
    pub fn replay_store(mut self, store: impl ReplayStore + 'static) -> Self {
        self.replay_store = Replay::In(Arc::new(store));
        self
    }

    /// Remembers no proofs: whoever gets hold of one can use it again until it is too old.
    pub fn without_replay_protection(mut self) -> Self {
        self.replay_store = Replay::Off;
        self
    }

    /// Accepts proofs while the replay store fails, in place of answering 503.
    pub fn replay_fail_open(mut self) -> Self {
        self.replay_fail_open = true;
        self
    }

    /// Asks every proof for a nonce of this API (RFC 9449 section 9); off by default.
    pub fn dpop_nonces(mut self, nonces: NonceIssuer) -> Self {
        self.nonces = Some(nonces);
        self
    }

    /// The identifier of this API's own client at the `domain`, for client flows: exchanges, Token
    /// Vault. It authenticates with [`client_secret`](Builder::client_secret) by HTTP Basic.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.flows.client_id = Some(client_id.into());
        self
    }

    /// The secret that goes with [`client_id`](Builder::client_id). It is wiped when builder and
    /// client are gone.
    pub fn client_secret(mut self, client_secret: impl Into<String>) -> Self {
        self.flows.client_secret = Some(Arc::new(Zeroizing::new(client_secret.into())));
        self
    }

    /// Another way to authenticate than by `client_id` and `client_secret`: in the form, or by an
    /// assertion (feature `private-key-jwt`).
    pub fn client_auth(mut self, auth: ClientAuth) -> Self {
        self.flows.client_auth = Some(Arc::new(auth));
        self
    }

    /// A key that exchanged tokens are to be bound to: every exchange then sends a DPoP proof by it
    /// (RFC 9449 section 5), and an answer whose token is not bound is an error. Whoever uses such a
    /// token makes a [`NewProof`](a0_dpop::NewProof) with the same key for each request.
    pub fn exchange_dpop_key(mut self, key: impl Signer + 'static) -> Self {
        self.flows.dpop_key = Some(Arc::new(key));
        self
    }

    /// The time limit of one HTTP exchange, name resolution included; 10 seconds by default.
    ///
    /// It bounds one exchange, and not one call: who fetches an issuer's keys makes two of them, metadata
    /// and key set. Who waits for the fetch of another call is bounded by
    /// [`max_wait`](Builder::max_wait).
    ///
    /// A client given to [`http_client`](Builder::http_client) enforces a limit of its own. Set `timeout`
    /// to that limit: by it this client tells a fetch that takes its time from one that was abandoned.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The longest time that one call waits, in all, for a fetch or an exchange that another call
    /// carries; [`timeout`](Builder::timeout) by default. With zero nobody waits.
    ///
    /// Then a verification takes the keys in memory if they may be served, and else is answered 503. A
    /// call for an exchanged token gets a `timeout_error`, 504.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// What carries every request, in place of ureq: any [`HttpClient`], a closure included.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http_client = Some(Arc::new(client));
        self
    }

    /// Where the time comes from, in place of the system's clock.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("domain", &self.domain)
            .field("audiences", &self.audiences)
            .finish_non_exhaustive()
    }
}
