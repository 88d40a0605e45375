//! Why there is no token.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_http::{TransportError, TransportErrorKind};
use http::StatusCode;

/// Why nothing can be sent: what the caller gave is not fit for it.
///
/// Holds no value of a parameter, and of the names only one that is well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// An argument is empty.
    #[error("The argument '{0}' is required but was not provided.")]
    MissingArgument(&'static str),
    /// A token is nothing but white space.
    #[error("{0} cannot be blank or whitespace")]
    Blank(&'static str),
    /// White space, or a control character, before or after a token.
    #[error("{0} must not include leading or trailing whitespace")]
    Whitespace(&'static str),
    /// A token with its scheme before it.
    #[error("{0} must not include the 'Bearer ' prefix (case-insensitive check)")]
    BearerPrefix(&'static str),
    /// `actor_token` without `actor_token_type`, or the other way round (RFC 8693 section 2.1).
    #[error("actor_token and actor_token_type go together: give both or neither")]
    ActorPair,
    /// An extra parameter has a name that is not free, in whatever case.
    #[error("Parameter '{0}' is reserved and cannot be overridden")]
    ReservedParameter(&'static str),
    /// An extra parameter has a name with other characters than the allowed ones.
    #[error(
        "the name of an extra parameter has letters, digits, '-', '.' and '_' only (RFC 6749 section 8.2)"
    )]
    ParameterName,
    /// An extra parameter has more than [`MAX_VALUES`](crate::MAX_VALUES) values.
    #[error("Parameter '{0}' exceeds maximum array size of 20")]
    TooManyValues(String),
    /// A client without identifier or without secret.
    #[error("Client credentials are required: neither client_id nor client_secret may be empty")]
    MissingCredentials,
    /// The endpoint is not an absolute https URL, or has user name, password or fragment.
    #[error("the token endpoint must be an absolute https URL without credentials and fragment")]
    Endpoint,
    /// The issuer that an assertion is for is not an https URL.
    #[error("a client assertion is for an issuer, whose identifier begins with https://")]
    Issuer,
    /// The signer of assertions uses another algorithm.
    #[error("client assertions are signed with RS256, PS256 or ES256")]
    Algorithm,
}

/// Why a call gave no token.
///
/// Text and `Debug` are this crate's own. What the endpoint said is in [`ErrorResponse`], and the cause of
/// a transport's or signer's failure in [`source`](Error::source).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The endpoint answered with another status than 200, and not with a redirect.
    #[error(transparent)]
    Refused(ErrorResponse),
    /// A 200 that is not one JSON object in UTF-8, or has a member name twice.
    #[error("Token endpoint returned invalid JSON.")]
    InvalidJson,
    /// An answer that cannot be used.
    #[error(transparent)]
    InvalidResponse(InvalidResponse),
    /// There is no complete answer.
    #[error("{}", transport_text(.0))]
    Transport(#[source] TransportError),
    /// A proof or an assertion could not be made; nothing was sent.
    #[error(transparent)]
    Signing(SigningFailure),
}

impl ExchangeError {
    pub(crate) fn signing(
        what: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let cause = Arc::from(cause.into());
        ExchangeError::Signing(SigningFailure { what, cause })
    }

    /// The status that stands for this failure: the endpoint's own, 502 for a redirect, an answer
    /// that cannot be used or a failure of the network, 504 for a timeout, 500 where nothing was
    /// sent.
    ///
    /// It is no answer to give to one's own caller: an endpoint that refuses this client with 401
    /// says nothing about that caller.
    pub fn status_code(&self) -> u16 {
        match self {
            ExchangeError::Refused(refusal) => refusal.status_code(),
            ExchangeError::Transport(error) if error.kind() == TransportErrorKind::Timeout => 504,
            ExchangeError::Signing(_) => 500,
            _ => 502,
        }
    }

    /// The endpoint's `error`, or else one of `token_exchange_error`, `connection_token_error`,
    /// `invalid_json`, `invalid_response`, `network_error`, `timeout_error` and `signing_error`.
    pub fn error_code(&self) -> &str {
        match self {
            ExchangeError::Refused(refusal) => refusal.error().unwrap_or(refusal.call.code()),
            ExchangeError::InvalidJson => "invalid_json",
            ExchangeError::InvalidResponse(_) => "invalid_response",
            ExchangeError::Transport(_) if self.status_code() == 504 => "timeout_error",
            ExchangeError::Transport(_) => "network_error",
            ExchangeError::Signing(_) => "signing_error",
        }
    }
}

impl From<TransportError> for ExchangeError {
    /// A body that is too large for the client is one that cannot be used.
    fn from(error: TransportError) -> Self {
        match error.kind() {
            TransportErrorKind::BodyTooLarge => InvalidResponse::TooLarge.into(),
            _ => ExchangeError::Transport(error),
        }
    }
}

impl From<InvalidResponse> for ExchangeError {
    fn from(invalid: InvalidResponse) -> Self {
        ExchangeError::InvalidResponse(invalid)
    }
}

fn transport_text(error: &TransportError) -> &'static str {
    match error.kind() {
        TransportErrorKind::Timeout => "Request to token endpoint timed out",
        _ => "Network error occurred",
    }
}

/// What is wrong with an answer that is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// `access_token` is absent, empty or no string (RFC 6749 section 5.1).
    #[error("Missing or invalid access_token in response.")]
    AccessToken,
    /// `expires_in` is neither a number nor a string of digits.
    #[error("expires_in is not an integer.")]
    ExpiresIn,
    /// `expires_in` is less than zero.
    #[error("expires_in cannot be negative.")]
    NegativeExpiresIn,
    /// Another member is neither a string nor null.
    #[error("{0} is not a string")]
    Member(&'static str),
    /// A proof was sent, and the answer's `token_type` is not `DPoP`: the token is not bound to the
    /// proof's key (RFC 9449 section 5).
    #[error("the token is not bound to the key of the DPoP proof: its token_type is not DPoP")]
    NotBound,
    /// A redirect, which is never followed: it would take the credentials along.
    #[error("the token endpoint answered with a redirect, status {0}")]
    Redirect(u16),
    /// A body over [`MAX_BODY`](crate::MAX_BODY), or over the client's own limit.
    #[error("the answer of the token endpoint is too large")]
    TooLarge,
}

/// Which texts and codes a refusal falls back to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Exchange,
    Connection,
}

impl Kind {
    fn code(self) -> &'static str {
        match self {
            Kind::Exchange => "token_exchange_error",
            Kind::Connection => "connection_token_error",
        }
    }
}

/// What the endpoint said in place of a token (RFC 6749 section 5.2).
///
/// `Display` and `Debug` hold its status alone. The rest is the server's text, cut to a length and
/// to the characters that the standard allows there; it may repeat a part of the request.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    pub(crate) call: Kind,
    pub(crate) status: StatusCode,
    pub(crate) error: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) dpop_nonce: Option<String>,
}

impl ErrorResponse {
    /// The status of the answer.
    pub fn status_code(&self) -> u16 {
        self.status.as_u16()
    }

    /// The answer's `error`, of at most 128 characters; none in an answer that is not JSON.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// The answer's `error_description`, of at most 1024 characters.
    pub fn error_description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The nonce that came along (RFC 9449 section 8). With the error `use_dpop_nonce` it is the one
    /// to use; [`TokenRequest::start`](crate::TokenRequest::start) does so by itself, once.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop_nonce.as_deref()
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.call {
            Kind::Exchange => "Failed to exchange token",
            Kind::Connection => "Failed to get token for connection",
        };
        write!(formatter, "{what}: {}", self.status.as_u16())
    }
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ErrorResponse")
            .field("status", &self.status.as_u16())
            .finish_non_exhaustive()
    }
}

impl Error for ErrorResponse {}

/// A proof or an assertion that could not be made. Two are equal if the same is missing; the cause
/// is in [`source`](Error::source).
#[derive(Clone)]
pub struct SigningFailure {
    what: &'static str,
    cause: Arc<dyn Error + Send + Sync>,
}

impl PartialEq for SigningFailure {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl Eq for SigningFailure {}

impl fmt::Display for SigningFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no {} could be made", self.what)
    }
}

impl fmt::Debug for SigningFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningFailure")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

impl Error for SigningFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The cause itself, not the `Arc`: only so can it be downcast.
        Some(&*self.cause)
    }
}
