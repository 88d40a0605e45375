//! The builder, its defaults, and the options of issuers, tokens and the HTTP client.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_discovery::{CacheAdapter, CachePolicy, EntryAuthentication};
use a0_dpop::{NonceIssuer, ProofRules, ReplayStore};
use a0_http::HttpClient;
use a0_jose::{Algorithm, Backend};

use crate::clock::Clock;
use crate::observer::Observer;
use crate::verification::request::DpopMode;
use crate::verification::resolver::{Resolver, ResolverContext};

use super::authorization::AuthorizationOptions;
use super::caches::InitialKeys;
use super::encryption::EncryptionOptions;
use super::exchange::FlowOptions;
use super::key_sources::KeySources;

/// The kind of access tokens that a tenant issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TokenProfile {
    /// `typ` may be absent, `JWT` or `at+jwt`. This accepts the tokens of Auth0's default profile and
    /// those of RFC 9068.
    #[default]
    Lenient,
    /// RFC 9068 section 2: `typ` must be `at+jwt`, and `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and
    /// `jti` must all be present, each with its type.
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
    pub(crate) issuer_algorithms: Vec<(String, Vec<String>)>,
    pub(crate) backend: Backend,
    pub(crate) token_profile: TokenProfile,
    pub(crate) required_claims: Vec<String>,
    pub(crate) leeway: Duration,
    pub(crate) max_token_size: usize,
    pub(crate) keep_access_tokens: bool,
    pub(crate) token_cache: usize,
    pub(crate) cache_policy: CachePolicy,
    /// The environment variable that set `cache_ttl`, for error messages.
    pub(crate) cache_ttl_variable: Option<&'static str>,
    pub(crate) max_stale: Option<Duration>,
    pub(crate) cache_max_entries: usize,
    pub(crate) cache: Option<(Arc<dyn CacheAdapter>, EntryAuthentication)>,
    pub(crate) initial_keys: Vec<InitialKeys>,
    pub(crate) key_sources: KeySources,
    pub(crate) trusted_endpoints: Vec<String>,
    pub(crate) dpop: DpopMode,
    /// The mode by the environment. `dpop_mode` combines it with `dpop`.
    pub(crate) dpop_enabled: Option<bool>,
    pub(crate) dpop_required: Option<bool>,
    pub(crate) proof_rules: ProofRules,
    pub(crate) dpop_algorithms: Vec<String>,
    pub(crate) public_url: Option<String>,
    /// Whether every request brings its URL.
    pub(crate) url_in_requests: bool,
    pub(crate) replay_store: Replay,
    pub(crate) replay_fail_open: bool,
    pub(crate) nonces: Option<NonceIssuer>,
    pub(crate) encryption: EncryptionOptions,
    pub(crate) certificate_bound_tokens: bool,
    pub(crate) flows: FlowOptions,
    pub(crate) authorization: AuthorizationOptions,
    #[cfg(feature = "async")]
    pub(crate) asynchronous: super::asynchronous::AsyncOptions,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) http_client: Option<Arc<dyn HttpClient>>,
    #[cfg(any(feature = "ureq", feature = "async"))]
    pub(crate) trust_roots: Option<a0_http::TrustRoots>,
    /// The HTTP client for both kinds of clients. If it is set, no other HTTP client is.
    pub(crate) local_client: Option<Arc<dyn HttpClient>>,
    pub(crate) clock: Clock,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) observed_claims: Vec<String>,
    /// Why the first unusable value was refused. `build` reports it.
    pub(crate) refused: Option<String>,
}

/// Where used proofs are recorded.
#[derive(Clone)]
pub(crate) enum Replay {
    /// In a store in memory that each client creates for itself.
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
            issuer_algorithms: Vec::new(),
            backend: Backend::default(),
            token_profile: TokenProfile::default(),
            required_claims: Vec::new(),
            leeway: Duration::ZERO,
            max_token_size: 16 * 1024,
            keep_access_tokens: false,
            token_cache: 0,
            cache_policy: CachePolicy::default(),
            cache_ttl_variable: None,
            max_stale: None,
            cache_max_entries: 100,
            cache: None,
            initial_keys: Vec::new(),
            key_sources: KeySources::default(),
            trusted_endpoints: Vec::new(),
            dpop: DpopMode::default(),
            dpop_enabled: None,
            dpop_required: None,
            proof_rules: ProofRules::new(),
            dpop_algorithms: vec![Algorithm::Es256.name().to_owned()],
            public_url: None,
            url_in_requests: false,
            replay_store: Replay::InMemory,
            replay_fail_open: false,
            nonces: None,
            encryption: EncryptionOptions::default(),
            certificate_bound_tokens: false,
            flows: FlowOptions::default(),
            authorization: AuthorizationOptions::default(),
            #[cfg(feature = "async")]
            asynchronous: Default::default(),
            timeout: None,
            max_wait: None,
            http_client: None,
            #[cfg(any(feature = "ureq", feature = "async"))]
            trust_roots: None,
            local_client: None,
            clock: Clock::new(SystemTime::now),
            observers: Vec::new(),
            observed_claims: Vec::new(),
            refused: None,
        }
    }
}

impl Builder {
    /// The tenant's domain or a custom domain, such as `tenant.eu.auth0.com`. The API accepts its tokens,
    /// unless [`domains`](Builder::domains) or [`domains_resolver`](Builder::domains_resolver) is set.
    /// Client flows always use this domain.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The domains whose tokens the API accepts, if there are several.
    pub fn domains<S: Into<String>>(mut self, domains: impl IntoIterator<Item = S>) -> Self {
        self.domains = Some(domains.into_iter().map(Into::into).collect());
        self
    }

    /// A function that returns the domains whose tokens the API accepts for this request. It replaces a
    /// fixed list.
    ///
    /// It runs on the caller's thread, for every token whose form, header and `iss` are acceptable,
    /// before anything is fetched. If it returns an error, the request is answered 500.
    ///
    /// It sees what the client sent, which is not verified yet: see [`ResolverContext`].
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

    /// An identifier of this API, exactly as it appears in `aud`. Call it once for each identifier: a
    /// token passes if its `aud` contains one of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The allowed signature algorithms by their registered names; RS256 by default. An RSA key without
    /// `alg` is used with the first RSA algorithm in this list.
    pub fn algorithms<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.algorithms = names.into_iter().map(Into::into).collect();
        self
    }

    /// The allowed signature algorithms of one issuer, by its domain. They replace
    /// [`algorithms`](Builder::algorithms) for the tokens and the keys of this issuer, so that what one issuer
    /// may use does not extend what another one may (RFC 8725 section 3.1).
    ///
    /// ```
    /// use auth0_api::ApiClient;
    ///
    /// ApiClient::builder()
    ///     .domains(["tenant.example", "modern.example"])
    ///     .issuer_algorithms("modern.example", ["PS256"])
    ///     .audience("https://api.example/")
    ///     .build()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn issuer_algorithms<S: Into<String>>(
        mut self,
        domain: impl Into<String>,
        names: impl IntoIterator<Item = S>,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.issuer_algorithms.push((domain.into(), names));
        self
    }

    /// The library that verifies the signatures of tokens and proofs; OpenSSL by default. A feature adds
    /// a backend; only this option selects it.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The kind of access tokens that the tenant issues; lenient by default.
    pub fn token_profile(mut self, profile: TokenProfile) -> Self {
        self.token_profile = profile;
        self
    }

    /// Claims every token must carry. Their values are not checked.
    pub fn required_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// The tolerance for `exp` and `nbf` if clocks differ; zero by default, at most 300 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest accepted token and the longest accepted proof, in bytes; 16 KiB by default.
    pub fn max_token_size(mut self, bytes: usize) -> Self {
        self.max_token_size = bytes;
        self
    }

    /// Keeps the text of a verified access token in its [`VerifiedToken`](crate::VerifiedToken), for
    /// [`access_token`](crate::VerifiedToken::access_token); off by default. An API that calls other APIs on
    /// behalf of its users needs it. The text is wiped from memory when the last clone is dropped. Of an
    /// encrypted token, the signed token in it is kept; with [`token_cache`](Builder::token_cache), the cache
    /// keeps it too.
    pub fn keep_access_tokens(mut self) -> Self {
        self.keep_access_tokens = true;
        self
    }

    /// Origins besides the issuer's own that may serve its keys and may receive client credentials and
    /// tokens, such as `https://login.example`.
    pub fn trusted_endpoints<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.trusted_endpoints = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The time limit of one HTTP exchange, name resolution included; 10 seconds by default.
    ///
    /// The limit is for one exchange, not for one call: to fetch an issuer's keys, a call makes two
    /// exchanges, metadata and key set. [`max_wait`](Builder::max_wait) limits how long a call waits for
    /// another call's fetch.
    ///
    /// A client given to [`http_client`](Builder::http_client) enforces its own limit. Set `timeout` to
    /// the same value: it is how this client tells a slow fetch from an abandoned one.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The longest total time that one call waits for the fetches or exchanges of other calls;
    /// [`timeout`](Builder::timeout) by default. With zero, no call waits. A call that fetches waits at most
    /// half of it and 1 s for another process that shares its [`cache`](Builder::cache).
    ///
    /// After that time, a verification uses the keys in memory if they may still be served, and is
    /// answered 503 otherwise. A call that waits for an exchanged token fails with `timeout_error`, 504.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// The HTTP client for all outgoing requests. Defaults to ureq; any [`HttpClient`] works, including a
    /// closure.
    pub fn http_client(mut self, client: impl HttpClient + 'static) -> Self {
        self.http_client = Some(Arc::new(client));
        self.local_client = None;
        self
    }

    /// Overrides the system clock.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
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
