//! The decision itself, in its order.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{Issuer, KeyCache, normalize_domain};
use a0_http::HttpClient;
use a0_jose::{Admitted, ClaimRules, Claims, Compact, HeaderRules, NumericDate};

use crate::authorization::Bearer;
use crate::builder::Builder;
use crate::challenge::challenged;
use crate::confirmation;
use crate::error::{Error, ErrorKind, IssuerError, Refusal};
use crate::request::RequestContext;
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

    /// Decides on a request: one `Authorization` field of scheme `Bearer` (RFC 6750 section 2.1)
    /// whose access token passes [`verify_access_token`](ApiClient::verify_access_token) and is not
    /// bound to a key.
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
        self.judge_request(&context).map_err(challenged)
    }

    fn judge_request(&self, context: &RequestContext<'_>) -> Result<VerifiedToken, Refusal> {
        let credentials = Bearer::read(context)?;
        let now = self.now();
        let admitted = self.judge_token(credentials.token(), now)?;
        confirmation::judge_bearer(admitted.claims())?;
        self.verify_signature(admitted, now)
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
            self.verify_signature(admitted, now)
        };
        verify().map_err(challenged)
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
        now: NumericDate,
    ) -> Result<VerifiedToken, Refusal> {
        // A token that names no key is refused before any is fetched.
        token.header().key_id()?;
        let keys = self
            .0
            .keys
            .keys(&self.0.issuer, &*self.0.http_client, now)?;
        let verified = token.verify(keys.keys())?;
        Ok(VerifiedToken::new(verified.into_claims()))
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
