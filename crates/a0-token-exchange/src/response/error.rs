//! Error responses (RFC 6749 section 5.2).

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::response::Parts;

use super::body::ResponseBody;
use super::members::Members;
use super::retry_after::retry_after;
use crate::dpop::response_nonce;

const MAX_ERROR_CHARS: usize = 128;
const MAX_DESCRIPTION_CHARS: usize = 1024;

/// The token endpoint's error response (RFC 6749 section 5.2).
///
/// `Display` and `Debug` show only its status. The other values are the server's text and may
/// repeat parts of the request. `error` and `error_description` are truncated and reduced to the
/// characters that the standard allows.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorResponse(Box<Values>);

#[derive(Clone, PartialEq, Eq)]
struct Values {
    request_kind: RequestKind,
    status: StatusCode,
    error: Option<String>,
    description: Option<String>,
    members: Members,
    retry_after: Option<Duration>,
    dpop_nonce: Option<String>,
}

impl ErrorResponse {
    /// Reads an error response. `body` is `None` if the response has no JSON object.
    pub(crate) fn read(
        request_kind: RequestKind,
        parts: &Parts,
        body: Option<&ResponseBody<'_>>,
        now: SystemTime,
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
        ErrorResponse(Box::new(Values {
            request_kind,
            status: parts.status,
            error: string("error", MAX_ERROR_CHARS),
            description: string("error_description", MAX_DESCRIPTION_CHARS),
            members: body.map(Members::read).unwrap_or_default(),
            retry_after: retry_after(parts, now),
            dpop_nonce: response_nonce(&parts.headers),
        }))
    }

    /// Returns the response's status. It is 200 if the endpoint sent its `error` with that status.
    pub fn status_code(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// Returns the response's `error`, at most 128 characters. It is `None` if the response is not
    /// a JSON object or has no `error`.
    pub fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// Returns the response's `error_description`, at most 1024 characters.
    pub fn error_description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    /// Returns the string in another member of the response, such as `mfa_token` beside the error
    /// `mfa_required`. The string is unchanged. It is `None` if the member is absent or not a
    /// string.
    ///
    /// Such a member can be a credential. It is wiped from memory on drop. All members together are
    /// bounded by [`MAX_MEMBERS_SIZE`](crate::MAX_MEMBERS_SIZE); one that does not fit is left out.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.0.members.string(name)
    }

    /// Like [`member`](Self::member), but returns the JSON text of a value of any type, such as the
    /// object in `mfa_requirements`.
    pub fn member_json(&self, name: &str) -> Option<&str> {
        self.0.members.json(name)
    }

    /// Returns how long the endpoint asks clients to wait: `Retry-After` of a 429 or a 503 (RFC
    /// 9110 section 10.2.3). A date there counts from the `now` of the request, and gives zero if
    /// it is past.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns the response's nonce (RFC 9449 section 8). If the error is `use_dpop_nonce`, the
    /// next proof needs it. [`TokenRequest::start`](crate::TokenRequest::start) repeats the request
    /// with it once.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.0.dpop_nonce.as_deref()
    }

    /// Returns the response's `error`, or a code of this crate if there is none.
    pub(crate) fn error_or_default(&self) -> &str {
        self.error().unwrap_or(match self.0.request_kind {
            RequestKind::TokenExchange => "token_exchange_error",
            RequestKind::ConnectionToken => "connection_token_error",
        })
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = match self.0.request_kind {
            RequestKind::TokenExchange => "Failed to exchange token",
            RequestKind::ConnectionToken => "Failed to get token for connection",
        };
        write!(formatter, "{failure}: {}", self.0.status.as_u16())
    }
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ErrorResponse")
            .field("status", &self.0.status.as_u16())
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
