//! The decision itself, in its order.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{Issuer, KeyCache, normalize_domain};
use a0_dpop::Target;
use a0_http::HttpClient;
use a0_jose::{Admitted, ClaimRules, Claims, Compact, HeaderRules, NumericDate};

use crate::authorization::{Credentials, ProofOfRequest, refuse_proof};
use crate::builder::Builder;
use crate::challenger::Challenger;
use crate::confirmation::{self, ConfirmationError};
use crate::dpop::{DpopProof, DpopSettings};
use crate::error::{Error, ErrorKind, IssuerError, Refusal};
use crate::request::RequestContext;
use crate::scheme::{DpopMode, Scheme};
use crate::verified::VerifiedToken;

/// Verifies what clients send to one API. Cheap to clone; make one and keep it, because it keeps
/// the issuers' keys.
#[derive(Clone)]
pub struct ApiClient(Arc<Settings>);

pub(crate) struct Settings {
    pub(crate) issuer: Issuer,
    pub(crate) max_token_size: usize,
    pub(crate) header_rules: HeaderRules,
    pub(crate) claim_rules: ClaimRules,
    pub(crate) keys: KeyCache,
    pub(crate) dpop: DpopSettings,
    pub(crate) challenger: Challenger,
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
pub struct TokenOptions {
    required_claims: Vec<String>,
}

impl TokenOptions {
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
    /// - of scheme `DPoP` (RFC 9449 section 7.1): the one `DPoP` field holds a proof for this request
    ///   and this token, by the key that the token is bound to, and for the first time.
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
        let admitted = self.judge_token(token, now)?;
        confirmation::judge_bearer(admitted.claims(), mode)?;
        refuse_proof(context, mode)?;
        self.verify_signature(admitted, Scheme::Bearer, now)
    }

    /// Cheap and local first: what needs no key, then the keys, then the signatures, and at the very
    /// end the store that the proof is spent in.
    fn judge_dpop(
        &self,
        context: &RequestContext<'_>,
        token: &str,
    ) -> Result<VerifiedToken, Refusal> {
        let dpop = &self.0.dpop;
        let proof = ProofOfRequest::read(context, dpop.public_url.as_ref())?;
        let now = self.now();
        let admitted = self.judge_token(token, now)?;
        let bound_to = confirmation::dpop_key(admitted.claims())?;
        let target = Target::new(proof.method, proof.url, token);
        let judged = dpop.judge(&proof.proof, &target, now)?;
        if *judged.thumbprint() != bound_to {
            return Err(ConfirmationError::Mismatch.into());
        }
        let verified = self.verify_signature(admitted, Scheme::Dpop, now)?;
        dpop.spend(&judged.verify()?, now)?;
        Ok(verified)
    }

    /// Decides on one proof (RFC 9449 section 4.3), and spends it. It does not judge the access token
    /// beyond its hash. Use [`verify_request`](ApiClient::verify_request) for requests.
    ///
    /// It does so in every mode, `Disabled` included: whoever calls it asks for it by name. The
    /// challenges of its errors are those of the mode all the same, so where DPoP is disabled there
    /// is only that of `Bearer`, which then says what went wrong.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` for an empty argument or a URL that is not absolute, `InvalidDpopProof`, `UseDpopNonce`, and
    /// `Unavailable` where the replay store fails.
    pub fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        self.0
            .dpop
            .verify(proof, self.now())
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

    /// Decides on a raw access token. It judges neither `cnf` nor proofs: a token that is bound to a
    /// key passes here whoever sends it. Use [`verify_request`](ApiClient::verify_request) for
    /// requests.
    ///
    /// It checks, in this order and as far as it gets: the token's form (RFC 7515 section 7.1), its
    /// header, `iss`, `aud`, `exp`, `iat`, `nbf`, the required claims, and the signature by a key of
    /// its issuer. Keys are fetched only if all the rest passed and none are in memory.
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
        options: &TokenOptions,
    ) -> Result<VerifiedToken, Error> {
        let verify = || -> Result<VerifiedToken, Refusal> {
            if access_token.is_empty() {
                let argument = "access_token";
                return Err(ErrorKind::MissingRequiredArgument { argument }.into());
            }
            let now = self.now();
            let admitted = self.judge_token(access_token, now)?;
            admitted.claims().require(&options.required_claims)?;
            self.verify_signature(admitted, Scheme::Bearer, now)
        };
        verify().map_err(|refusal| self.challenged(refusal, Some(Scheme::Bearer)))
    }

    /// Everything about a token that needs no key.
    fn judge_token<'t>(&self, token: &'t str, now: NumericDate) -> Result<Admitted<'t>, Refusal> {
        let unverified = Compact::parse(token, self.0.max_token_size)?.decode()?;
        let admitted = unverified.admit(&self.0.header_rules)?;
        self.judge_issuer(admitted.claims())?;
        self.0.claim_rules.judge(admitted.claims(), now)?;
        Ok(admitted)
    }

    fn judge_issuer(&self, claims: &Claims) -> Result<(), IssuerError> {
        let Ok(Some(issuer)) = claims.issuer() else {
            return Err(IssuerError::Missing);
        };
        if issuer == self.0.issuer.as_str() {
            return Ok(());
        }
        match normalize_domain(issuer) {
            Ok(_) => Err(IssuerError::Mismatch),
            Err(_) => Err(IssuerError::Format),
        }
    }

    fn verify_signature(
        &self,
        token: Admitted<'_>,
        scheme: Scheme,
        now: NumericDate,
    ) -> Result<VerifiedToken, Refusal> {
        // A token that names no key is refused before any is fetched.
        token.header().key_id()?;
        let keys = self
            .0
            .keys
            .keys(&self.0.issuer, &*self.0.http_client, now)?;
        let verified = token.verify(keys.keys())?;
        let challenger = self.0.challenger.clone();
        Ok(VerifiedToken::new(
            verified.into_claims(),
            challenger,
            scheme,
        ))
    }

    fn challenged(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        self.0.challenger.challenged(refusal.into(), scheme)
    }

    fn now(&self) -> NumericDate {
        (self.0.clock)().into()
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiClient")
            .field("issuer", &self.0.issuer)
            .finish_non_exhaustive()
    }
}
