//! The options, their defaults, and what is refused before a client is made.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_discovery::{CacheLimits, FetchRules, KeyCache, Origin, normalize_domain};
use a0_http::HttpClient;
use a0_jose::{Algorithm, ClaimRules, HeaderRules, UnsupportedAlgorithm};

use crate::client::{ApiClient, Settings};
use crate::error::Error;

const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// What RFC 9068 section 2.2 requires of an access token, beside what every token needs.
const RFC9068_CLAIMS: [&str; 3] = ["sub", "client_id", "jti"];

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

/// The options of an [`ApiClient`].
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
    pub(crate) audiences: Vec<String>,
    algorithms: Vec<String>,
    token_profile: TokenProfile,
    required_claims: Vec<String>,
    leeway: Duration,
    max_token_size: usize,
    pub(crate) cache: CacheLimits,
    cache_max_entries: usize,
    trusted_endpoints: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    http_client: Option<Arc<dyn HttpClient>>,
    clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// The first value that could not be taken, for `build` to report.
    pub(crate) refused: Option<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            domain: None,
            audiences: Vec::new(),
            algorithms: vec![Algorithm::Rs256.name().to_owned()],
            token_profile: TokenProfile::default(),
            required_claims: Vec::new(),
            leeway: Duration::ZERO,
            max_token_size: 16 * 1024,
            cache: CacheLimits::default(),
            cache_max_entries: 100,
            trusted_endpoints: Vec::new(),
            timeout: None,
            http_client: None,
            clock: Arc::new(SystemTime::now),
            refused: None,
        }
    }
}

impl Builder {
    /// The tenant's domain, or a custom one: `tenant.eu.auth0.com`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
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

    /// The longest token that is looked at, in bytes; 16 KiB by default.
    pub fn max_token_size(mut self, bytes: usize) -> Self {
        self.max_token_size = bytes;
        self
    }

    /// The longest time that keys are used without asking again; 600 seconds by default. Zero
    /// fetches them for every verification.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache.ttl = ttl;
        self
    }

    /// The shortest such time, whatever the server says; 300 seconds by default. With zero, keys are
    /// fetched as often as the server's `max-age` asks for.
    pub fn cache_min_ttl(mut self, min_ttl: Duration) -> Self {
        self.cache.min_ttl = min_ttl;
        self
    }

    /// Issuers whose keys are kept; 100 by default, 2 at least.
    pub fn cache_max_entries(mut self, issuers: usize) -> Self {
        self.cache_max_entries = issuers;
        self
    }

    /// Origins other than the issuer's own that keys may come from, such as
    /// `https://keys.example`.
    pub fn trusted_endpoints<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.trusted_endpoints = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The longest time that one HTTP exchange may take, name resolution included; 10 seconds by
    /// default. No effect on a client given to [`http_client`](Builder::http_client), which has its
    /// own.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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

    /// Makes the client. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` without an audience; `Configuration` for everything else that
    /// cannot be used, with what to do about it.
    pub fn build(self) -> Result<ApiClient, Error> {
        if let Some(refused) = self.refused {
            return Err(Error::configuration(refused));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(|name| name.trim().is_empty()) {
            return Err(Error::missing_option("audience"));
        }
        let domain = self.domain.as_deref().filter(|domain| !domain.is_empty());
        let domain = domain.ok_or_else(|| {
            Error::configuration("Must provide the 'domain' parameter, the domain of the tenant.")
        })?;
        let issuer = normalize_domain(domain)
            .map_err(|error| Error::configuration(format!("domain: {error}")))?;
        if self.leeway > MAX_LEEWAY {
            return Err(Error::configuration("leeway must be at most 300 seconds"));
        }
        let algorithms = algorithms(&self.algorithms)?;
        let fetch_rules =
            FetchRules::new(algorithms.iter().copied()).trust(origins(&self.trusted_endpoints)?);
        let mut limits = self.cache;
        limits.max_issuers = NonZeroUsize::new(self.cache_max_entries)
            .filter(|entries| entries.get() > 1)
            .ok_or_else(|| {
                Error::configuration("cache_max_entries must be an integer greater than 1")
            })?;
        let (header_rules, profile_claims) = profile_rules(self.token_profile, &algorithms);
        Ok(ApiClient::from_settings(Settings {
            issuer,
            max_token_size: self.max_token_size,
            header_rules,
            claim_rules: ClaimRules::new(self.audiences)
                .leeway(self.leeway)
                .require_strings(profile_claims)
                .require(self.required_claims),
            keys: KeyCache::with_limits(fetch_rules, limits),
            http_client: http_client(self.http_client, self.timeout)?,
            clock: self.clock,
        }))
    }
}

fn profile_rules(
    profile: TokenProfile,
    algorithms: &[Algorithm],
) -> (HeaderRules, &'static [&'static str]) {
    let rules = HeaderRules::new(algorithms.iter().copied());
    match profile {
        TokenProfile::Lenient => (rules.types(["JWT", "at+jwt"]), &[]),
        TokenProfile::Rfc9068 => (rules.types(["at+jwt"]).require_type(), &RFC9068_CLAIMS),
    }
}

fn algorithms(names: &[String]) -> Result<Vec<Algorithm>, Error> {
    if names.is_empty() {
        return Err(Error::configuration("algorithms cannot be empty"));
    }
    let parse = |name: &String| {
        name.parse().map_err(|error: UnsupportedAlgorithm| {
            Error::configuration(format!("algorithms: {error}"))
        })
    };
    names.iter().map(parse).collect()
}

fn origins(texts: &[String]) -> Result<Vec<Origin>, Error> {
    let parse = |text: &String| {
        text.parse::<Origin>()
            .map_err(|error| Error::configuration(format!("trusted_endpoints: {error}")))
    };
    texts.iter().map(parse).collect()
}

fn http_client(
    given: Option<Arc<dyn HttpClient>>,
    timeout: Option<Duration>,
) -> Result<Arc<dyn HttpClient>, Error> {
    match given {
        Some(client) => Ok(client),
        None => default_http_client(timeout),
    }
}

#[cfg(feature = "ureq")]
fn default_http_client(timeout: Option<Duration>) -> Result<Arc<dyn HttpClient>, Error> {
    let mut builder = a0_http::UreqClient::builder();
    if let Some(timeout) = timeout {
        builder = builder.timeout(timeout);
    }
    Ok(Arc::new(builder.build()))
}

#[cfg(not(feature = "ureq"))]
fn default_http_client(_timeout: Option<Duration>) -> Result<Arc<dyn HttpClient>, Error> {
    Err(Error::configuration(
        "no HTTP client: give one to http_client, or turn the feature `ureq` on",
    ))
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
