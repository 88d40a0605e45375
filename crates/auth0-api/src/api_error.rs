//! Why a client flow gave no token.

use std::error::Error;

use a0_discovery::{FetchFailure, TokenEndpointError, Unavailable};
use a0_http::TransportErrorKind;
use a0_token_exchange::{ExchangeError, RequestError};
use http::StatusCode;

/// Why nothing was sent to the token endpoint, where that is the caller's or the configuration's
/// doing: 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientFlowError {
    /// What was asked for cannot be sent.
    #[error(transparent)]
    Request(RequestError),
    /// Neither `client_id` with `client_secret` nor `client_auth` is configured.
    #[error(
        "Client credentials are required: configure domain, and client_id with client_secret, \
         or client_auth"
    )]
    NoCredentials,
    /// The domain's metadata names no token endpoint, or one that credentials may not go to.
    #[error(transparent)]
    Endpoint(TokenEndpointError),
}

/// Why there is no answer of the token endpoint, or why it is not a token.
///
/// [`status_code`](ApiError::status_code) is that endpoint's, or stands for it. It is no answer to
/// give to one's own caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The endpoint could not be asked, refused, or answered with something else than a token.
    #[error(transparent)]
    Exchange(ExchangeError),
    /// The domain's metadata, which says where the endpoint is, cannot be had.
    #[error(transparent)]
    Discovery(Unavailable),
}

impl ApiError {
    /// The endpoint's status, where it is one of an error; 502 for a redirect, an answer that cannot be used, and a failure of the
    /// network; 504 for a timeout; 500 where no proof or assertion could be made.
    pub fn status_code(&self) -> StatusCode {
        let status = match self {
            ApiError::Exchange(error) => error.status_code(),
            ApiError::Discovery(error) if is_timeout(error) => 504,
            ApiError::Discovery(_) => 502,
        };
        // A 204 is no token, and an error that is a success would be taken for one.
        let status = Some(status).filter(|status| (400..600).contains(status));
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        status.unwrap_or(StatusCode::BAD_GATEWAY)
    }

    /// The endpoint's `error`, at most 128 characters of the server's text, which may repeat what was
    /// sent; or `token_exchange_error`, `connection_token_error`, `invalid_json`,
    /// `invalid_response`, `network_error`, `timeout_error` or `signing_error`.
    pub fn error_code(&self) -> &str {
        match self {
            ApiError::Exchange(error) => error.error_code(),
            ApiError::Discovery(error) if is_timeout(error) => "timeout_error",
            ApiError::Discovery(error) => match error.error.failure {
                FetchFailure::Transport(_) => "network_error",
                _ => "invalid_response",
            },
        }
    }

    /// The endpoint's `error_description`: the server's text, which may repeat what was sent. It is in
    /// no other text of this error.
    pub fn endpoint_description(&self) -> Option<&str> {
        match self {
            ApiError::Exchange(ExchangeError::Refused(refusal)) => refusal.error_description(),
            _ => None,
        }
    }

    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ApiError::Exchange(error) => error.source(),
            ApiError::Discovery(error) => Some(&error.error.failure),
        }
    }
}

fn is_timeout(error: &Unavailable) -> bool {
    matches!(
        &error.error.failure,
        FetchFailure::Transport(error) if error.kind() == TransportErrorKind::Timeout
    )
}
