//! The decision itself, in its order.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{Issuer, IssuerStatus, KeyCache, normalize_domain};
use a0_dpop::Target;
use a0_http::HttpClient;
use a0_jose::{Admitted, ClaimRules, Claims, Compact, HeaderRules, NumericDate};

use crate::authorization::{Credentials, ProofOfRequest, refuse_proof};
use crate::builder::Builder;
use crate::challenger::Challenger;
use crate::client_flows::ClientFlows;
use crate::confirmation::{self, ConfirmationError};
use crate::dpop::{DpopProof, DpopSettings};
use crate::error::{Error, ErrorKind, IssuerError};
use crate::issuers::Issuers;
use crate::refusal::Refusal;
use crate::request::RequestContext;
use crate::scheme::{DpopMode, Scheme};
use crate::verified::VerifiedToken;

/// Verifies what clients send to one API. Cheap to clone; make one and keep it, because it keeps
/// the issuers' keys.
#[derive(Clone)]
pub struct ApiClient(pub(crate) Arc<Settings>);

pub(crate) struct Settings {
    pub(crate) issuers: Issuers,
    pub(crate) max_token_size: usize,
    pub(crate) header_rules: HeaderRules,
    pub(crate) claim_rules: ClaimRules,
    pub(crate) keys: KeyCache,
    pub(crate) dpop: DpopSettings,
    pub(crate) challenger: Challenger,
    pub(crate) flows: ClientFlows,
    pub(crate) http_client: Arc<dyn HttpClient>,
    pub(crate) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// What one verification asks for beyond the client's own settings.
///
/// ```
/// let options = auth0_api::TokenOptions::new().require(["org_id"]);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenOptions<'r> {
    required_claims: Vec<String>,
    request: RequestContext<'r>,
}

impl<'r> TokenOptions<'r> {
    /// Nothing more.
    pub fn new() -> Self {
        TokenOptions::default()
    }

    /// Claims that must be there, of whatever value, beside those of the client.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required_claims
            .extend(claims.into_iter().map(Into::into));
        self
    }

    /// The request that the token came with, for a domains resolver to look at.
    #[must_use]
    pub fn request(mut self, request: impl Into<RequestContext<'r>>) -> Self {
        self.request = request.into();
        self
    }
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
        let context = request.into();
        let credentials = Credentials::read(&context, self.0.dpop.mode)
            .map_err(|kind| self.challenged(kind, None))?;
        let scheme = credentials.scheme;
        let outcome = match scheme {
            Scheme::Bearer => self.judge_bearer(&context, credentials.token()),
            Scheme::Dpop => self.judge_dpop(&context, credentials.token()),
        };
        outcome.map_err(|refusal| self.challenged(refusal, Some(scheme)))
    }

    fn judge_bearer(
        &self,
        context: &RequestContext<'_>,
        token: &str,
    ) -> Result<VerifiedToken, Refusal> {
        let now = self.now();
        let mode = self.0.dpop.mode;
        let judged = self.judge_token(token, context, now)?;
        confirmation::judge_bearer(judged.claims(), mode)?;
        refuse_proof(context, mode)?;
        self.verify_signature(judged, Scheme::Bearer, now)
    }

    /// Cheap and local first: what needs no key, then the keys, then the signatures, and at the
    /// very end the store that the proof is spent in.
    fn judge_dpop(
        &self,
        context: &RequestContext<'_>,
        token: &str,
    ) -> Result<VerifiedToken, Refusal> {
        let dpop = &self.0.dpop;
        let proof = ProofOfRequest::read(context, dpop.public_url.as_ref())?;
        let now = self.now();
        let token_judged = self.judge_token(token, context, now)?;
        let bound_to = confirmation::dpop_key(token_judged.claims())?;
        let target = Target::new(proof.method, proof.url, token);
        let judged = dpop.judge(&proof.proof, &target, now)?;
        if *judged.thumbprint() != bound_to {
            return Err(ConfirmationError::Mismatch.into());
        }
        let verified = self.verify_signature(token_judged, Scheme::Dpop, now)?;
        dpop.spend(&judged.verify()?, now, || self.now())?;
        Ok(verified)
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
        self.0
            .dpop
            .verify(proof, || self.now())
            .map_err(|refusal| self.challenged(refusal, Some(Scheme::Dpop)))
    }

    /// Whether only requests of the scheme DPoP are taken.
    pub fn is_dpop_required(&self) -> bool {
        self.0.dpop.mode == DpopMode::Required
    }

    /// A current nonce for the `DPoP-Nonce` field of any answer (RFC 9449 section 8.2), where the
    /// API asks for nonces. An answer that carries one must not be cached.
    pub fn dpop_nonce(&self) -> Option<String> {
        let nonces = self.0.dpop.nonces.as_ref()?;
        Some(nonces.issue(self.now()))
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
        let verify = || -> Result<VerifiedToken, Refusal> {
            if access_token.is_empty() {
                let argument = "access_token";
                return Err(ErrorKind::MissingRequiredArgument { argument }.into());
            }
            let now = self.now();
            let judged = self.judge_token(access_token, &options.request, now)?;
            judged.claims().require(&options.required_claims)?;
            self.verify_signature(judged, Scheme::Bearer, now)
        };
        verify().map_err(|refusal| self.challenged(refusal, Some(Scheme::Bearer)))
    }

    /// Everything about a token that needs no key.
    fn judge_token<'t>(
        &self,
        token: &'t str,
        request: &RequestContext<'_>,
        now: NumericDate,
    ) -> Result<JudgedToken<'t, '_>, Refusal> {
        let unverified = Compact::parse(token, self.0.max_token_size)?.decode()?;
        let admitted = unverified.admit(&self.0.header_rules)?;
        let Ok(Some(iss)) = admitted.claims().issuer() else {
            return Err(IssuerError::Missing.into());
        };
        let public_url = self.0.dpop.public_url.as_ref();
        let issuer = self.0.issuers.trusted(iss, request, public_url)?;
        self.0.claim_rules.judge(admitted.claims(), now)?;
        Ok(JudgedToken { admitted, issuer })
    }

    fn verify_signature(
        &self,
        token: JudgedToken<'_, '_>,
        scheme: Scheme,
        now: NumericDate,
    ) -> Result<VerifiedToken, Refusal> {
        let JudgedToken { admitted, issuer } = token;
        // A token that names no key is refused before any is fetched.
        let key_id = admitted.header().key_id()?;
        let algorithm = admitted.algorithm();
        let keys = self.0.keys.keys_with(&issuer, key_id, algorithm, now)?;
        let verified = admitted.verify(keys.keys())?;
        let challenger = self.0.challenger.clone();
        Ok(VerifiedToken::new(
            verified.into_claims(),
            challenger,
            scheme,
        ))
    }

    /// Fetches the keys of every issuer that is known by now, one after the other: all but those
    /// that only a resolver names. Called before the first request, it spares that one the wait.
    ///
    /// # Errors
    ///
    /// `Unavailable` for the first issuer whose keys cannot be had, once all have been asked.
    pub fn warm_up(&self) -> Result<(), Error> {
        let now = self.now();
        let fetch = |issuer| self.0.keys.keys(issuer, now).map(|_| ());
        let outcomes: Vec<_> = self.0.issuers.known().map(fetch).collect();
        let outcome: Result<(), _> = outcomes.into_iter().collect();
        outcome.map_err(|error| self.challenged(error, None))
    }

    /// Fetches the keys of a domain's issuer now, whatever is in memory: after a key had to be
    /// revoked, for one. What is in memory serves on if that fails.
    ///
    /// # Errors
    ///
    /// `Configuration` for a domain that cannot be one, `Unavailable` where the keys cannot be had.
    pub fn reload(&self, domain: &str) -> Result<(), Error> {
        let issuer = normalize_domain(domain)
            .map_err(|error| Error::configuration(format!("domain: {error}")))?;
        let outcome = self.0.keys.reload(&issuer, self.now());
        outcome
            .map(|_| ())
            .map_err(|error| self.challenged(error, None))
    }

    /// What is known of the keys of every issuer in memory: their age, their names, the last
    /// failure. For health checks and metrics; nothing is fetched.
    pub fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.keys.status(self.now())
    }

    fn challenged(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        self.0.challenger.challenged(refusal.into(), scheme)
    }

    pub(crate) fn now(&self) -> NumericDate {
        (self.0.clock)().into()
    }
}

/// A token that needs nothing but a key of its issuer.
struct JudgedToken<'t, 'i> {
    admitted: Admitted<'t>,
    issuer: Cow<'i, Issuer>,
}

impl JudgedToken<'_, '_> {
    fn claims(&self) -> &Claims {
        self.admitted.claims()
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&Issuer> = self.0.issuers.known().collect();
        formatter
            .debug_struct("ApiClient")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
