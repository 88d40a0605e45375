//! One error, and the HTTP answer that it stands for.

use std::fmt;

use a0_discovery::Unavailable;
use a0_dpop::{ProofError, ReplayStoreError};
use a0_jose::{ClaimError, ClaimValidationError, HeaderError, ParseError, VerifyError};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::api_error::{ApiError, ClientFlowError};
use crate::challenge::{self, Challenge};
use crate::verification::confirmation::ConfirmationError;
use crate::verification::resolver_error::DomainsResolverError;

/// Why a request was refused, or why nothing could be decided.
///
/// It is an HTTP answer in waiting: [`status_code`](Error::status_code),
/// [`headers`](Error::headers) with the challenges, and [`error_code`](Error::error_code) and
/// [`error_description`](Error::error_description) for a body. Two errors are equal if their
/// [`kind`](Error::kind) is. No text in it comes from a token, a header or a server, but for the code of
/// an `Api` error.
///
/// ```
/// use auth0_api::{ApiClient, ErrorKind};
///
/// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
/// let error = client.verify_request(&http::Request::new(())).unwrap_err();
/// assert_eq!(*error.kind(), ErrorKind::MissingAuthorization);
/// assert_eq!(error.status_code(), 401);
/// assert_eq!(
///     error.www_authenticate().as_deref(),
///     Some(r#"Bearer realm="api", DPoP algs="ES256""#),
/// );
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    challenges: Vec<Challenge>,
}

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What went wrong, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No credentials, or a scheme that is not supported: 401 without an error code in the
    /// challenge (RFC 6750 section 3.1).
    MissingAuthorization,
    /// The credentials are not sent in the way that they have to be: 400, or 401 where none were.
    InvalidAuthScheme(SchemeError),
    /// The caller left out an argument: 400.
    MissingRequiredArgument {
        /// The argument's name.
        argument: &'static str,
    },
    /// The access token was refused: 401 `invalid_token`.
    VerifyAccessToken(TokenError),
    /// The proof was refused: 400 `invalid_dpop_proof` (RFC 9449 section 7.1).
    InvalidDpopProof(ProofError),
    /// The proof has no current nonce: 401 `use_dpop_nonce`, with one to use (RFC 9449 section 9).
    UseDpopNonce {
        /// A nonce that the client's next proof may use.
        nonce: String,
    },
    /// What a decision needs could not be had: 503. The token may be good.
    Unavailable(Outage),
    /// The client is not configured in a usable way: 500.
    Configuration(String),
    /// The domains resolver gave no list of domains: 500.
    DomainsResolver(DomainsResolverError),
    /// An exchange that cannot be asked for: 400. Nothing was sent to the token endpoint.
    GetTokenByExchangeProfile(ClientFlowError),
    /// A token of Token Vault that cannot be asked for: 400. Nothing was sent to the token endpoint.
    GetAccessTokenForConnection(ClientFlowError),
    /// The token endpoint, or the way to it, gave no token. The status is the endpoint's, and not one
    /// to answer one's own caller with.
    Api(ApiError),
}

/// What could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outage {
    /// The issuer's metadata or keys.
    #[error("{0}")]
    Keys(#[source] Unavailable),
    /// The store that remembers proofs.
    #[error("{0}")]
    ReplayStore(#[source] ReplayStoreError),
}

/// What is wrong with the way in which credentials are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// More than one `Authorization` field (RFC 9110 section 5.3).
    #[error("Multiple Authorization headers are not allowed")]
    SeveralFields,
    /// None, where only the scheme DPoP is taken: 401.
    #[error("")]
    NoCredentials,
    /// Another scheme, where only DPoP is taken.
    #[error("")]
    NotDpop,
    /// The scheme DPoP without a proof (RFC 9449 section 7.1).
    #[error("")]
    MissingProof,
    /// A proof beside a bearer token.
    #[error("DPoP proof requires DPoP authentication scheme, not Bearer")]
    ProofWithBearer,
}

/// Why an access token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a JWT.
    #[error(transparent)]
    Parse(ParseError),
    /// The header is not acceptable.
    #[error(transparent)]
    Header(HeaderError),
    /// `iss` is not acceptable.
    #[error(transparent)]
    Issuer(IssuerError),
    /// A claim is not acceptable.
    #[error(transparent)]
    Claims(ClaimValidationError),
    /// `cnf` is not acceptable.
    #[error(transparent)]
    Confirmation(ConfirmationError),
    /// No key of the issuer vouches for the token.
    #[error(transparent)]
    Signature(VerifyError),
    /// A claim that the caller asked for by type has another one.
    #[error(transparent)]
    ClaimType(ClaimError),
    /// The claims do not fit the type that the caller wanted them in.
    #[error("The claims do not have the form that this API expects")]
    ClaimsForm,
    /// The `act` claim is not acceptable (RFC 8693 section 4.1).
    #[error(transparent)]
    Actor(a0_act::ActError),
}

/// Why `iss` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Absent, or not a string.
    #[error("Token missing 'iss' claim")]
    Missing,
    /// Not of the form of an issuer.
    #[error("Invalid token issuer format")]
    Format,
    /// Not the issuer of the one domain that is configured, octet for octet.
    #[error("Token issuer does not match the discovery issuer")]
    Mismatch,
    /// Not one of the issuers of the list, or of those that the resolver named.
    #[error("Token issuer is not in the list of allowed domains")]
    NotAllowed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, challenges: Vec<Challenge>) -> Self {
        Error(Box::new(Inner { kind, challenges }))
    }

    /// For errors that are no answer to a request.
    pub(crate) fn of_client_flow(kind: ErrorKind) -> Self {
        Error::new(kind, Vec::new())
    }

    /// As [`of_client_flow`](Error::of_client_flow).
    pub(crate) fn configuration(description: impl Into<String>) -> Self {
        Error::new(ErrorKind::Configuration(description.into()), Vec::new())
    }

    /// As [`configuration`](Error::configuration).
    pub(crate) fn missing_option(argument: &'static str) -> Self {
        Error::new(ErrorKind::MissingRequiredArgument { argument }, Vec::new())
    }

    pub(crate) fn set_challenges(&mut self, challenges: Vec<Challenge>) {
        self.0.challenges = challenges;
    }

    /// What went wrong, as data.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The status of the HTTP answer.
    pub fn status_code(&self) -> StatusCode {
        match &self.0.kind {
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials)
            | ErrorKind::VerifyAccessToken(_)
            | ErrorKind::UseDpopNonce { .. } => StatusCode::UNAUTHORIZED,
            ErrorKind::InvalidAuthScheme(_)
            | ErrorKind::MissingRequiredArgument { .. }
            | ErrorKind::InvalidDpopProof(_)
            | ErrorKind::GetTokenByExchangeProfile(_)
            | ErrorKind::GetAccessTokenForConnection(_) => StatusCode::BAD_REQUEST,
            ErrorKind::Api(error) => error.status_code(),
            ErrorKind::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Configuration(_) | ErrorKind::DomainsResolver(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The error code of RFC 6750 section 3.1, or one in its manner. That of an `Api` error is the
    /// endpoint's, and the one text of another server here: it may repeat what was sent.
    pub fn error_code(&self) -> &str {
        match &self.0.kind {
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(_)
            | ErrorKind::MissingRequiredArgument { .. } => "invalid_request",
            ErrorKind::VerifyAccessToken(_) => "invalid_token",
            ErrorKind::InvalidDpopProof(_) => "invalid_dpop_proof",
            ErrorKind::UseDpopNonce { .. } => "use_dpop_nonce",
            ErrorKind::Unavailable(_) => "temporarily_unavailable",
            ErrorKind::Configuration(_) => "invalid_configuration",
            ErrorKind::DomainsResolver(_) => "domains_resolver_error",
            ErrorKind::GetTokenByExchangeProfile(_) => "get_token_by_exchange_profile_error",
            ErrorKind::GetAccessTokenForConnection(_) => "get_access_token_for_connection_error",
            ErrorKind::Api(error) => error.error_code(),
        }
    }

    /// What to tell the client or the operator; empty where there is nothing to say. It holds no
    /// character that RFC 6750 section 3 does not allow, so it may go into a header or a log.
    pub fn error_description(&self) -> String {
        challenge::cleaned(self.0.kind.description())
    }

    /// The name of the missing argument, where one is missing.
    pub fn argument(&self) -> Option<&'static str> {
        match self.0.kind {
            ErrorKind::MissingRequiredArgument { argument } => Some(argument),
            _ => None,
        }
    }

    /// The challenges of the answer. A 5xx has none.
    pub fn challenges(&self) -> &[Challenge] {
        &self.0.challenges
    }

    /// The challenges, to add parameters to (`resource_metadata` of RFC 9728, for one).
    pub fn challenges_mut(&mut self) -> &mut [Challenge] {
        &mut self.0.challenges
    }

    /// The fields of the HTTP answer: one `WWW-Authenticate` for each challenge; for a nonce
    /// `DPoP-Nonce` with `Cache-Control: no-store` (RFC 9449 section 8.2); for keys that cannot be
    /// had `Retry-After`, in seconds.
    pub fn headers(&self) -> HeaderMap {
        let challenges = self.0.challenges.iter();
        let mut fields: HeaderMap = challenges
            .map(|challenge| (WWW_AUTHENTICATE, challenge.to_header_value()))
            .collect();
        if let ErrorKind::UseDpopNonce { nonce } = &self.0.kind
            && let Ok(nonce) = HeaderValue::from_str(nonce)
        {
            fields.insert(DPOP_NONCE, nonce);
            fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let ErrorKind::Unavailable(Outage::Keys(error)) = &self.0.kind {
            let seconds = error.retry_in.as_secs_f64().ceil() as u64;
            fields.insert(RETRY_AFTER, seconds.into());
        }
        fields
    }

    /// All challenges in one field value, for servers that take one value a name; `None` where
    /// there is no challenge.
    pub fn www_authenticate(&self) -> Option<String> {
        let challenges: Vec<String> = self.0.challenges.iter().map(Challenge::to_string).collect();
        (!challenges.is_empty()).then(|| challenges.join(", "))
    }
}

impl ErrorKind {
    fn description(&self) -> String {
        match self {
            ErrorKind::MissingAuthorization => String::new(),
            ErrorKind::InvalidAuthScheme(error) => error.to_string(),
            ErrorKind::MissingRequiredArgument { argument } => {
                format!("The argument '{argument}' is required but was not provided.")
            }
            ErrorKind::VerifyAccessToken(error) => error.to_string(),
            ErrorKind::InvalidDpopProof(error) => error.to_string(),
            ErrorKind::UseDpopNonce { .. } => ProofError::Nonce.to_string(),
            ErrorKind::Unavailable(error) => error.to_string(),
            ErrorKind::Configuration(description) => description.clone(),
            ErrorKind::DomainsResolver(error) => error.to_string(),
            ErrorKind::GetTokenByExchangeProfile(error)
            | ErrorKind::GetAccessTokenForConnection(error) => error.to_string(),
            ErrorKind::Api(error) => error.to_string(),
        }
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
                formatter.write_str("no credentials were sent in a way that this API takes")
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
    /// What is wrong with a document that could not be had, down to the transport's own error; the
    /// replay store's own error; the domains resolver's own error. The causes of other errors are in their
    /// [`kind`](Error::kind).
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Unavailable(Outage::Keys(error)) => Some(&error.error.failure),
            ErrorKind::Unavailable(Outage::ReplayStore(error)) => error.source(),
            ErrorKind::DomainsResolver(error) => error.source(),
            ErrorKind::Api(error) => error.cause(),
            _ => None,
        }
    }
}
