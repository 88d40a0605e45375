//! Errors and the HTTP responses they stand for.

pub(crate) mod api_error;
pub(crate) mod challenge;
pub(crate) mod challenger;
pub(crate) mod diagnosis;
mod kind;
pub(crate) mod reason;
pub(crate) mod refusal;
mod response;

use std::fmt;

use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::verification::detail::Detail;
use crate::verification::request::Scheme;

use challenge::Challenge;
use diagnosis::Diagnosis;

use kind::Hint;

pub use kind::{
    ArgumentSource, ErrorKind, IssuedNonce, IssuerError, KeysUnavailable, Outage, SchemeError,
    TokenError,
};

/// Why a request was refused, could not be verified, or a client flow failed.
///
/// For a verification it describes the HTTP response to send: [`status_code`](Error::status_code),
/// [`headers`](Error::headers) with the challenges, and [`error_code`](Error::error_code) and
/// [`error_description`](Error::error_description) for a body. [`response`](Error::response) makes all of it.
///
/// Two errors are equal if their [`kind`](Error::kind)s are. Except for the code of an `Api` error
/// and [`Diagnosis::details_with_token_values`], no text in an error comes from a token, a header or a server.
///
/// ```
/// use auth0_api::{ApiClient, ErrorKind};
///
/// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
/// let error = client.verify_request(&http::Request::new(())).unwrap_err();
/// assert_eq!(*error.kind(), ErrorKind::MissingAuthorization);
/// assert_eq!(error.status_code(), 401);
/// assert_eq!(error.www_authenticate().as_deref(), Some(r#"Bearer realm="api""#));
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    challenges: Vec<Challenge>,
    diagnosis: Option<Box<Detail>>,
    scheme: Option<Scheme>,
}

/// A replay store that failed is asked again at the next request, so a client may come back soon.
const REPLAY_STORE_RETRY_SECONDS: u64 = 1;

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

impl Error {
    pub(crate) fn new(kind: ErrorKind, diagnosis: Option<Box<Detail>>) -> Self {
        Error(Box::new(Inner {
            kind,
            challenges: Vec::new(),
            diagnosis,
            scheme: None,
        }))
    }

    /// An error that is not the response to a request.
    pub(crate) fn without_challenges(kind: ErrorKind) -> Self {
        Error::new(kind, None)
    }

    pub(crate) fn configuration(description: impl Into<String>) -> Self {
        Error::without_challenges(ErrorKind::Configuration(description.into()))
    }

    pub(crate) fn missing_option(argument: &'static str) -> Self {
        let source = ArgumentSource::Configuration;
        Error::without_challenges(ErrorKind::MissingRequiredArgument { argument, source })
    }

    /// Whether the challenge says what went wrong. It does not if the request used no scheme that the API
    /// accepts (RFC 6750 section 3.1), if the API is at fault, or if the client can do nothing about it.
    pub(crate) fn is_told_to_client(&self) -> bool {
        if matches!(self.0.kind, ErrorKind::Forbidden(_)) {
            return false;
        }
        self.status_code() != StatusCode::UNAUTHORIZED
            || !matches!(
                self.0.kind,
                ErrorKind::MissingAuthorization
                    | ErrorKind::InvalidAuthScheme(_)
                    | ErrorKind::MissingRequiredArgument { .. }
            )
    }

    pub(crate) fn set_scheme(&mut self, scheme: Option<Scheme>) {
        self.0.scheme = scheme;
    }

    pub(crate) fn set_challenges(&mut self, challenges: Vec<Challenge>) {
        self.0.challenges = challenges;
    }

    /// The reason for the error, as data.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// A stable label of the reason, such as `token_expired`, for logs, metrics and alerts. It is one of a
    /// fixed set, which docs/observability.md lists, and never contains anything that was sent. A label
    /// keeps its meaning within a major version; new ones may be added.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext};
    ///
    /// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
    /// let request = RequestContext::new().header("Authorization", "Bearer opaque");
    /// assert_eq!(client.verify_request(request).unwrap_err().reason(), "token_not_a_jwt");
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn reason(&self) -> &'static str {
        reason::of(&self.0.kind)
    }

    /// The scheme of the request's credentials, if it is one that the API accepts and the error is that of a
    /// verification.
    pub fn scheme(&self) -> Option<Scheme> {
        self.0.scheme
    }

    /// The status of the HTTP response.
    pub fn status_code(&self) -> StatusCode {
        match &self.0.kind {
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials | SchemeError::NotDpop)
            | ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Request,
                ..
            }
            | ErrorKind::VerifyAccessToken(_)
            | ErrorKind::InvalidDpopProof(_)
            | ErrorKind::UseDpopNonce { .. }
            | ErrorKind::InsufficientUserAuthentication(_) => StatusCode::UNAUTHORIZED,
            ErrorKind::InsufficientScope { .. } | ErrorKind::Forbidden(_) => StatusCode::FORBIDDEN,
            ErrorKind::InvalidAuthScheme(_)
            | ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Call,
                ..
            }
            | ErrorKind::GetTokenByExchangeProfile(_)
            | ErrorKind::GetAccessTokenForConnection(_) => StatusCode::BAD_REQUEST,
            ErrorKind::Api(error) => error.status_code(),
            ErrorKind::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Configuration,
                ..
            }
            | ErrorKind::Configuration(_)
            | ErrorKind::PolicyPanicked(_)
            | ErrorKind::DomainsResolver(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error code, one of RFC 6750 section 3.1 or in the same style. The code of an `Api` error comes
    /// from the token endpoint and may repeat what was sent to it.
    pub fn error_code(&self) -> &str {
        match &self.0.kind {
            ErrorKind::Configuration(_)
            | ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Configuration,
                ..
            } => "invalid_configuration",
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(_)
            | ErrorKind::MissingRequiredArgument { .. } => "invalid_request",
            ErrorKind::VerifyAccessToken(_) => "invalid_token",
            ErrorKind::InvalidDpopProof(_) => "invalid_dpop_proof",
            ErrorKind::UseDpopNonce { .. } => "use_dpop_nonce",
            ErrorKind::InsufficientScope { .. } => "insufficient_scope",
            ErrorKind::InsufficientUserAuthentication(_) => "insufficient_user_authentication",
            ErrorKind::Forbidden(_) => "forbidden",
            ErrorKind::PolicyPanicked(_) => "policy_panicked",
            ErrorKind::Unavailable(_) => "temporarily_unavailable",
            ErrorKind::DomainsResolver(_) => "domains_resolver_error",
            ErrorKind::GetTokenByExchangeProfile(_) => "get_token_by_exchange_profile_error",
            ErrorKind::GetAccessTokenForConnection(_) => "get_access_token_for_connection_error",
            ErrorKind::Api(error) => error.error_code(),
        }
    }

    /// A description for the client or the operator; may be empty. It contains only characters that RFC
    /// 6750 section 3 allows, so it is safe in a header or a log.
    pub fn error_description(&self) -> String {
        challenge::cleaned(self.0.kind.description())
    }

    /// Explains a refusal to an operator: the step and the rule, the claim, and what this API expects.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext, Step};
    ///
    /// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
    /// let request = RequestContext::new().header("Authorization", "Bearer opaque");
    /// let error = client.verify_request(request).unwrap_err();
    /// assert_eq!(error.diagnosis().step(), Some(Step::Form));
    /// assert!(error.diagnosis().to_string().contains("does not request an audience"));
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn diagnosis(&self) -> Diagnosis<'_> {
        Diagnosis::new(self, self.0.diagnosis.as_deref())
    }

    /// The name of the missing argument, for `MissingRequiredArgument`.
    pub fn argument(&self) -> Option<&'static str> {
        match self.0.kind {
            ErrorKind::MissingRequiredArgument { argument, .. } => Some(argument),
            _ => None,
        }
    }

    /// The challenges of the response. A 5xx has none.
    pub fn challenges(&self) -> &[Challenge] {
        &self.0.challenges
    }

    /// The challenges, to add parameters. [`realm`](crate::Builder::realm) and
    /// [`resource_metadata`](crate::Builder::resource_metadata) are options.
    pub fn challenges_mut(&mut self) -> &mut [Challenge] {
        &mut self.0.challenges
    }

    /// The header fields of the HTTP response: one `WWW-Authenticate` for each challenge; `DPoP-Nonce` and
    /// `Cache-Control: no-store` if the client needs a nonce (RFC 9449 section 8.2); `Retry-After`, in
    /// seconds and at least 1, with a 503.
    pub fn headers(&self) -> HeaderMap {
        let challenges = self.0.challenges.iter();
        let mut fields: HeaderMap = challenges
            .map(|challenge| (WWW_AUTHENTICATE, challenge.to_header_value()))
            .collect();
        if let ErrorKind::UseDpopNonce { nonce } = &self.0.kind
            && let Ok(nonce) = HeaderValue::from_str(nonce.as_str())
        {
            fields.insert(DPOP_NONCE, nonce);
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let ErrorKind::Unavailable(outage) = &self.0.kind {
            let seconds = match outage {
                // Nothing is left of the back-off if the clock moved during the fetch. A zero would
                // make every client come back at once.
                Outage::Keys(keys) => (keys.error.retry_in.as_secs_f64().ceil() as u64).max(1),
                Outage::ReplayStore(_) => REPLAY_STORE_RETRY_SECONDS,
            };
            fields.insert(RETRY_AFTER, seconds.into());
        }
        fields
    }

    /// All challenges in one field value, for servers that allow one value for each name; `None` if there
    /// is no challenge.
    pub fn www_authenticate(&self) -> Option<String> {
        let challenges: Vec<String> = self.0.challenges.iter().map(Challenge::to_string).collect();
        (!challenges.is_empty()).then(|| challenges.join(", "))
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind == other.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error_description() {
            nothing if nothing.is_empty() => {
                formatter.write_str("the request carries no credentials that this API accepts")
            }
            description => formatter.write_str(&description),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Error").field(&self.0.kind).finish()
    }
}

impl std::error::Error for Error {
    /// The issuer whose keys are unavailable and the failed fetch, down to the transport's own error; the
    /// replay store's own error; the domains resolver's own error; why the key with the token's `kid` was
    /// left out of the issuer's key set. The causes of other errors are in their [`kind`](Error::kind).
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Unavailable(Outage::Keys(error)) => Some(error),
            ErrorKind::Unavailable(Outage::ReplayStore(error)) => error.source(),
            ErrorKind::DomainsResolver(error) => error.source(),
            ErrorKind::VerifyAccessToken(TokenError::Signature(error)) => error.source(),
            ErrorKind::Api(error) => error.cause(),
            ErrorKind::MissingRequiredArgument {
                argument,
                source: ArgumentSource::Request,
            } => Some(Hint::for_argument(argument)?),
            _ => None,
        }
    }
}
