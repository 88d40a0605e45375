//! Why there is no token.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_http::{TransportError, TransportErrorKind};

use crate::response::{ErrorResponse, InvalidResponse};

/// Why a request cannot be sent: its parameters or the client's options are invalid.
///
/// It contains no parameter value, and a parameter's name only if that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A required argument is empty.
    #[error("The argument '{0}' is required but was not provided.")]
    MissingArgument(&'static str),
    /// A token consists only of white space and control characters.
    #[error("{0} cannot be blank or whitespace")]
    Blank(&'static str),
    /// A token begins or ends with white space or a control character.
    #[error("{0} must not include leading or trailing whitespace")]
    Whitespace(&'static str),
    /// A token begins with the scheme `Bearer`.
    #[error("{0} must not include the 'Bearer ' prefix (case-insensitive check)")]
    BearerPrefix(&'static str),
    /// Only one of `actor_token` and `actor_token_type` is set (RFC 8693 section 2.1).
    #[error("actor_token and actor_token_type go together: give both or neither")]
    ActorPair,
    /// A resource is not an absolute URI, or has a fragment (RFC 8707 section 2).
    #[error("a resource is an absolute URI without fragment (RFC 8707 section 2)")]
    Resource,
    /// The reason for the access is empty, or has more than 256 characters or control characters.
    #[error("audit_context is a reason of 1 to 256 characters, without control characters")]
    AuditContext,
    /// The name or the version of the client's software is empty, too long, or not visible ASCII.
    #[error("the name and the version for Auth0-Client have 1 to 64 visible ASCII characters")]
    ClientInfo,
    /// An extra parameter has a reserved name, in upper or lower case.
    #[error("Parameter '{0}' is reserved and cannot be overridden")]
    ReservedParameter(&'static str),
    /// The name of an extra parameter has characters that are not allowed.
    #[error(
        "the name of an extra parameter has letters, digits, '-', '.' and '_' only (RFC 6749 section 8.2)"
    )]
    ParameterName,
    /// An extra parameter has more than [`MAX_EXTRA_VALUES`](crate::MAX_EXTRA_VALUES) values.
    #[error("Parameter '{0}' exceeds maximum array size of 20")]
    TooManyValues(String),
    /// The client's identifier or its secret is empty.
    #[error("Client credentials are required: neither client_id nor client_secret may be empty")]
    MissingCredentials,
    /// The endpoint is not an absolute https URL, or has a user name, a password or a fragment.
    #[error("the token endpoint must be an absolute https URL without credentials and fragment")]
    Endpoint,
    /// The issuer that assertions are made for is not an https URL.
    #[error("a client assertion is for an issuer, whose identifier begins with https://")]
    Issuer,
    /// The signer of assertions uses another algorithm.
    #[error("client assertions and worker's tokens are signed with RS256, PS256 or ES256")]
    Algorithm,
}

/// Why a token request failed.
///
/// `Display` and `Debug` show no text of the server. [`ErrorResponse`] has the server's text, and
/// [`source`](Error::source) the cause of a transport or signing failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The endpoint's status is neither 200 nor a redirect, or the body of a 200 has an `error` and
    /// no token.
    #[error(transparent)]
    Refused(ErrorResponse),
    /// The body of a 200 is not one JSON object in UTF-8, or has a duplicate member.
    #[error("Token endpoint returned invalid JSON.")]
    InvalidJson,
    /// The response is unusable.
    #[error(transparent)]
    InvalidResponse(InvalidResponse),
    /// There is no complete response.
    #[error("{}", transport_text(.0))]
    Transport(#[source] TransportError),
    /// A proof or an assertion could not be made. Nothing was sent.
    #[error(transparent)]
    Signing(SigningFailure),
}

impl ExchangeError {
    pub(crate) fn signing(
        artifact: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let cause = Arc::from(cause.into());
        ExchangeError::Signing(SigningFailure { artifact, cause })
    }

    /// Returns the endpoint's status if it is an error status, or one that represents this failure:
    /// 504 for a timeout; 500 if a proof or an assertion could not be made; otherwise 502, for a
    /// redirect, an error with a success status, an unusable response or a network failure.
    ///
    /// Do not return this status to your own caller. An endpoint that refuses this client with 401
    /// says nothing about that caller.
    pub fn endpoint_status(&self) -> u16 {
        match self {
            ExchangeError::Refused(response) if (400..600).contains(&response.status_code()) => {
                response.status_code()
            }
            ExchangeError::Transport(error) if error.kind() == TransportErrorKind::Timeout => 504,
            ExchangeError::Signing(_) => 500,
            _ => 502,
        }
    }

    /// Returns the endpoint's `error`, or one of `token_exchange_error`, `connection_token_error`,
    /// `invalid_json`, `invalid_response`, `network_error`, `timeout_error` and `signing_error`.
    pub fn error_code(&self) -> &str {
        match self {
            ExchangeError::Refused(response) => response.error_or_default(),
            ExchangeError::InvalidJson => "invalid_json",
            ExchangeError::InvalidResponse(_) => "invalid_response",
            ExchangeError::Transport(_) if self.endpoint_status() == 504 => "timeout_error",
            ExchangeError::Transport(_) => "network_error",
            ExchangeError::Signing(_) => "signing_error",
        }
    }
}

impl From<TransportError> for ExchangeError {
    /// Converts a body over the HTTP client's limit to [`InvalidResponse::TooLarge`].
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

/// A proof or an assertion could not be made.
///
/// Two failures are equal if they are about the same artifact. The cause is in
/// [`source`](Error::source).
#[derive(Clone)]
pub struct SigningFailure {
    artifact: &'static str,
    cause: Arc<dyn Error + Send + Sync>,
}

impl PartialEq for SigningFailure {
    fn eq(&self, other: &Self) -> bool {
        self.artifact == other.artifact
    }
}

impl Eq for SigningFailure {}

impl fmt::Display for SigningFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no {} could be made", self.artifact)
    }
}

impl fmt::Debug for SigningFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningFailure")
            .field("artifact", &self.artifact)
            .finish_non_exhaustive()
    }
}

impl Error for SigningFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The cause itself, not the `Arc`, so that callers can downcast it.
        Some(&*self.cause)
    }
}
