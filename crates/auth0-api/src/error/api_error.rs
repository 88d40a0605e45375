//! Why a client flow returned no token.

use std::error::Error;

use a0_discovery::{FetchFailure, TokenEndpointError, Unavailable};
use a0_http::TransportErrorKind;
use a0_token_exchange::{ExchangeError, RequestError};
use http::StatusCode;

/// The request or the configuration is at fault, and nothing was sent to the token endpoint: 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFlowError {
    /// The request cannot be sent.
    #[error(transparent)]
    Request(RequestError),
    /// The access token to exchange was issued by neither `domain` nor a domain in `same_tenant`, or it is a
    /// signed token whose issuer cannot be read. It was not sent.
    #[error(
        "the issuer of the access token is not that of domain; if it is a domain of the same tenant, \
         name it in same_tenant"
    )]
    OtherIssuer,
    /// The subject token of a worker is not a JWT whose only audience is the issuer of `domain`, or of a
    /// domain in `same_tenant`. It was not sent.
    #[error(
        "the subject token of a worker must be a JWT whose only audience is the issuer of domain, \
         such as https://tenant.example/"
    )]
    OtherAudience,
    /// Neither `client_id` with `client_secret` nor `client_auth` is configured.
    #[error(
        "Client credentials are required: configure domain, and client_id with client_secret, \
         or client_auth"
    )]
    NoCredentials,
    /// The domain's metadata names no token endpoint, or one that must not receive credentials.
    #[error(transparent)]
    Endpoint(TokenEndpointError),
}

/// The token endpoint could not be reached, or did not return a token.
///
/// [`status_code`](ApiError::status_code) is the status for your own caller.
/// [`endpoint_status`](ApiError::endpoint_status) is the status of the endpoint, or represents it: do not
/// send it to your own caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The endpoint could not be reached, refused, or answered with something other than a token.
    #[error(transparent)]
    Exchange(ExchangeError),
    /// The domain's metadata, which names the endpoint, is unavailable.
    #[error(transparent)]
    Discovery(Unavailable),
}

impl ApiError {
    /// The status for your own caller: 504 for a timeout, 500 if no proof or assertion could be signed,
    /// otherwise 502. What the endpoint says about this client says nothing about that caller.
    pub fn status_code(&self) -> StatusCode {
        match self {
            ApiError::Exchange(ExchangeError::Signing(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::Exchange(ExchangeError::Transport(error))
                if error.kind() == TransportErrorKind::Timeout =>
            {
                StatusCode::GATEWAY_TIMEOUT
            }
            ApiError::Discovery(error) if is_timeout(error) => StatusCode::GATEWAY_TIMEOUT,
            ApiError::Exchange(_) | ApiError::Discovery(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// The endpoint's status if it is an error status; 502 for a redirect, an error with a success
    /// status, an unusable response and a network failure; 504 for a timeout; 500 if no proof or
    /// assertion could be signed.
    pub fn endpoint_status(&self) -> StatusCode {
        let status = match self {
            ApiError::Exchange(error) => StatusCode::from_u16(error.endpoint_status()).ok(),
            ApiError::Discovery(_) => None,
        };
        status.unwrap_or_else(|| self.status_code())
    }

    /// The endpoint's `error`, cut to 128 characters. It is the server's text and may repeat what was sent.
    /// If there is none: `token_exchange_error`, `connection_token_error`, `invalid_json`,
    /// `invalid_response`, `network_error`, `timeout_error` or `signing_error`.
    pub fn error_code(&self) -> &str {
        match self {
            ApiError::Exchange(error) => error.error_code(),
            ApiError::Discovery(error) if is_timeout(error) => "timeout_error",
            ApiError::Discovery(error) => match error.error.failure() {
                FetchFailure::Transport(_) => "network_error",
                _ => "invalid_response",
            },
        }
    }

    /// The endpoint's `error_description`. It is the server's text and may repeat what was sent, so no
    /// other text of this error contains it.
    pub fn endpoint_description(&self) -> Option<&str> {
        match self {
            ApiError::Exchange(ExchangeError::Refused(refusal)) => refusal.error_description(),
            _ => None,
        }
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ApiError::Exchange(error) => error.source(),
            ApiError::Discovery(error) => error.error.source(),
        }
    }
}

fn is_timeout(error: &Unavailable) -> bool {
    matches!(
        error.error.failure(),
        FetchFailure::Transport(error) if error.kind() == TransportErrorKind::Timeout
    )
}
