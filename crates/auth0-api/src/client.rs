//! The client whose callers block.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{CacheAdapterError, Issuer, IssuerStatus, KeyCache};
use a0_dpop::{ReplayStore, VerifiedProof};
use a0_http::HttpClient;
use a0_jose::{Claims, NumericDate};

use crate::builder::Builder;
use crate::client_flows::ClientFlows;
use crate::error::Error;
use crate::refusal::Refusal;
use crate::verification::issuers::Resolver;
use crate::verification::options::TokenOptions;
use crate::verification::proof::DpopProof;
use crate::verification::request::RequestContext;
use crate::verification::scheme::{DpopMode, Scheme};
use crate::verification::token_cache::TokenCacheStatus;
use crate::verification::verified::VerifiedToken;
use crate::verification::{Need, NeedSpend, Verifier};

/// Verifies what clients send to one API. Cheap to clone; make one and keep it, because it keeps
/// the issuers' keys.
#[derive(Clone)]
pub struct ApiClient(pub(crate) Arc<Settings>);

pub(crate) struct Settings {
    pub(crate) verifier: Verifier<Resolver>,
    pub(crate) keys: KeyCache,
    /// `None` where replay protection is turned off.
    pub(crate) replay_store: Option<Arc<dyn ReplayStore>>,
    pub(crate) flows: ClientFlows,
    pub(crate) http_client: Arc<dyn HttpClient>,
}

impl ApiClient {
    /// Where every client begins. `domain` and `audience` have no defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_settings(settings: Settings) -> Self {
        ApiClient(Arc::new(settings))
    }

    /// Decides on a request: one `Authorization` field with an access token that passes
    /// [`verify_access_token`](ApiClient::verify_access_token), and
    ///
    /// - of scheme `Bearer` (RFC 6750 section 2.1): the token is not bound to a key;
    /// - of scheme `DPoP` (RFC 9449 section 7.1): the one `DPoP` field holds a proof for this
    ///   request and this token, by the key that the token is bound to, and for the first time.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext};
    ///
    /// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
    /// let request = RequestContext::new().header("Authorization", "Bearer opaque");
    /// let error = client.verify_request(request).unwrap_err();
    /// assert_eq!(
    ///     error.error_description(),
    ///     "Failed to parse token: not a JWT; did the client request an audience?"
    /// );
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`], with the challenges to answer with.
    pub fn verify_request<'r>(
        &self,
        request: impl Into<RequestContext<'r>>,
    ) -> Result<VerifiedToken, Error> {
        let (context, verifier) = (request.into(), &self.0.verifier);
        let request = verifier.request(&context)?;
        let outcome = verifier.begin(&request).and_then(|need| self.drive(need));
        outcome.map_err(|refusal| verifier.challenged(refusal, Some(request.scheme())))
    }

    /// Gives a verification what it needs until it is done.
    fn drive(&self, mut need: Need<'_, Resolver>) -> Result<VerifiedToken, Refusal> {
        loop {
            need = match need {
                Need::Domains(need) => {
                    let domains = need.resolver()(&need.context());
                    need.resume(domains)?
                }
                Need::Keys(need) => {
                    let (key_id, algorithm) = need.key()?;
                    let keys = &self.0.keys;
                    let keys = keys.keys_with(need.issuer(), key_id, algorithm, need.now());
                    need.resume(keys)?
                }
                Need::Spend(need) => return self.spend(need).map(|(_, token)| token),
                Need::Done(token) => return Ok(token),
            }
        }
    }

    fn spend<T>(&self, need: NeedSpend<'_, T>) -> Result<(VerifiedProof, T), Refusal> {
        let Some(store) = &self.0.replay_store else {
            return need.resume(None);
        };
        let until = need.remember_until(self.now())?;
        let answer = store.check_and_insert(need.replay_key(), until, need.validated_at());
        need.resume(Some(answer))
    }

    /// Decides on one proof (RFC 9449 section 4.3), and spends it. It does not judge the access
    /// token beyond its hash. Use [`verify_request`](ApiClient::verify_request) for requests.
    ///
    /// It does so in every mode, `Disabled` included: whoever calls it asks for it by name. The
    /// challenges of its errors are those of the mode all the same, so where DPoP is disabled there
    /// is only that of `Bearer`, which then says what went wrong.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` for an empty argument or a URL that is not absolute,
    /// `InvalidDpopProof`, `UseDpopNonce`, and `Unavailable` where the replay store fails.
    pub fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        let verifier = &self.0.verifier;
        let outcome = verifier.proof(proof).and_then(|need| self.spend(need));
        let outcome = outcome.map(|(proof, ())| proof.into_claims());
        outcome.map_err(|refusal| verifier.challenged(refusal, Some(Scheme::Dpop)))
    }

    /// Whether only requests of the scheme DPoP are taken.
    pub fn is_dpop_required(&self) -> bool {
        self.0.verifier.dpop.mode == DpopMode::Required
    }

    /// A current nonce for the `DPoP-Nonce` field of any answer (RFC 9449 section 8.2), where the
    /// API asks for nonces. An answer that carries one must not be cached.
    pub fn dpop_nonce(&self) -> Option<String> {
        self.0.verifier.nonce()
    }

    /// Decides on a raw access token. It judges neither `cnf` nor proofs: a token that is bound to
    /// a key passes here whoever sends it. Use [`verify_request`](ApiClient::verify_request) for
    /// requests.
    ///
    /// It checks, in this order and as far as it gets: the token's form (RFC 7515 section 7.1), its
    /// header, `iss`, `aud`, `exp`, `iat`, `nbf`, the required claims, and the signature by a key
    /// of its issuer. Keys are fetched only if all the rest passed and none are in memory.
    ///
    /// # Errors
    ///
    /// [`Error`], with the challenges to answer with.
    pub fn verify_access_token(&self, access_token: &str) -> Result<VerifiedToken, Error> {
        self.verify_access_token_with(access_token, &TokenOptions::new())
    }

    /// As [`verify_access_token`](ApiClient::verify_access_token), asking for more.
    ///
    /// # Errors
    ///
    /// [`Error`], with the challenges to answer with.
    pub fn verify_access_token_with(
        &self,
        access_token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error> {
        let verifier = &self.0.verifier;
        let outcome = verifier
            .token(access_token, options)
            .and_then(|need| self.drive(need));
        outcome.map_err(|refusal| verifier.challenged(refusal, Some(Scheme::Bearer)))
    }

    /// Fetches the keys of every issuer that is known by now, one after the other: all but those
    /// that only a resolver names. Called before the first request, it spares that one the wait.
    ///
    /// # Errors
    ///
    /// `Unavailable` for the first issuer whose keys cannot be had, once all have been asked.
    pub fn warm_up(&self) -> Result<(), Error> {
        let fetch = |issuer| self.0.keys.keys(issuer, self.now()).map(|_| ());
        let outcomes: Vec<_> = self.0.verifier.issuers.known().map(fetch).collect();
        let outcome: Result<(), _> = outcomes.into_iter().collect();
        outcome.map_err(|error| self.0.verifier.challenged(error, None))
    }

    /// Fetches the keys of a domain's issuer now, whatever is in memory: after a key had to be
    /// revoked, for one. What is in memory serves on if that fails.
    ///
    /// # Errors
    ///
    /// `Configuration` for a domain whose tokens are not taken, where that is known without a
    /// request; `Unavailable` where the keys cannot be had.
    pub fn reload(&self, domain: &str) -> Result<(), Error> {
        let issuer = self.0.verifier.issuers.named(domain)?;
        let outcome = self.0.keys.reload(&issuer, self.now());
        outcome
            .map(|_| ())
            .map_err(|error| self.0.verifier.challenged(error, None))
    }

    /// What is known of the keys of every issuer in memory: their age, their names, the last
    /// failure. For health checks and metrics; nothing is fetched.
    pub fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.keys.status(self.now())
    }

    /// What [`token_cache`](Builder::token_cache) holds and has done; `None` where it is off.
    pub fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.verifier.token_cache_status()
    }

    /// How often the adapter given to [`cache`](Builder::cache) failed or held something that could not
    /// be used, and its last error.
    pub fn cache_misses(&self) -> (u64, Option<CacheAdapterError>) {
        let keys = &self.0.keys;
        (keys.adapter_misses(), keys.last_adapter_error())
    }

    pub(crate) fn now(&self) -> NumericDate {
        self.0.verifier.now()
    }

    pub(crate) fn time(&self) -> SystemTime {
        (self.0.verifier.clock)()
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&Issuer> = self.0.verifier.issuers.known().collect();
        formatter
            .debug_struct("ApiClient")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
