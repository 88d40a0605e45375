//! Error responses (RFC 6749 section 5.2).

use std::error::Error;
use std::fmt;

use http::StatusCode;

use super::body::ResponseBody;

const MAX_ERROR_CHARS: usize = 128;
const MAX_DESCRIPTION_CHARS: usize = 1024;

/// The token endpoint's error response (RFC 6749 section 5.2).
///
/// `Display` and `Debug` show only its status. The other values are the server's text, truncated
/// and reduced to the characters that the standard allows. They may repeat parts of the request.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    request_kind: RequestKind,
    status: StatusCode,
    error: Option<String>,
    description: Option<String>,
    dpop_nonce: Option<String>,
}

impl ErrorResponse {
    /// Reads an error response. `body` is `None` if the response has no JSON object.
    pub(crate) fn read(
        request_kind: RequestKind,
        status: StatusCode,
        body: Option<&ResponseBody<'_>>,
        dpop_nonce: Option<String>,
    ) -> Self {
        let string = |name, max_chars| {
            let string = body?.string(name)?;
            let string: String = string
                .chars()
                .filter(|character| is_allowed(*character))
                .take(max_chars)
                .collect();
            (!string.is_empty()).then_some(string)
        };
        ErrorResponse {
            request_kind,
            status,
            error: string("error", MAX_ERROR_CHARS),
            description: string("error_description", MAX_DESCRIPTION_CHARS),
            dpop_nonce,
        }
    }

    /// Returns the response's status.
    pub fn status_code(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns the response's `error`, at most 128 characters. It is `None` if the response is not
    /// JSON or has no `error`.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the response's `error_description`, at most 1024 characters.
    pub fn error_description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// Returns the response's nonce (RFC 9449 section 8). If the error is `use_dpop_nonce`, the
    /// next proof needs it. [`TokenRequest::start`](crate::TokenRequest::start) repeats the request
    /// with it once.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop_nonce.as_deref()
    }

    /// Returns the response's `error`, or a code of this crate if there is none.
    pub(crate) fn error_or_default(&self) -> &str {
        self.error().unwrap_or(match self.request_kind {
            RequestKind::TokenExchange => "token_exchange_error",
            RequestKind::ConnectionToken => "connection_token_error",
        })
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self.request_kind {
            RequestKind::TokenExchange => "Failed to exchange token",
            RequestKind::ConnectionToken => "Failed to get token for connection",
        };
        write!(formatter, "{failure}: {}", self.status.as_u16())
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

/// The kind of request, which selects the text and the default code of an error response.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestKind {
    TokenExchange,
    ConnectionToken,
}

/// Whether RFC 6749 section 5.2 allows this character in `error` and `error_description`.
fn is_allowed(character: char) -> bool {
    matches!(character, ' ' | '!' | '#'..='[' | ']'..='~')
}
