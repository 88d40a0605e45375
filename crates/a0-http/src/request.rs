//! What the clients do to a request before they send it.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request};

use crate::{TransportError, TransportErrorKind, coding};

/// The request with the client's own choice of what is the client's to choose.
pub(crate) fn bare(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    // A caller's length that does not fit the body would stall the exchange.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    let accepted = HeaderValue::from_static(coding::ACCEPTED);
    request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    // The libraries look for settings of their own there, which would overrule the client's.
    request.extensions_mut().clear();
    request
}

/// Whether the server is told of a body, which may be empty (RFC 9110 section 8.6).
pub(crate) fn has_body(request: &Request<Vec<u8>>) -> bool {
    !request.body().is_empty()
        || matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        )
}

/// Whether the request may be sent once more when a kept connection closes before it is answered.
/// It must be idempotent (RFC 9110 section 9.2.2).
pub(crate) fn is_repeatable(request: &Request<Vec<u8>>) -> bool {
    request.method() == Method::GET && !has_body(request)
}

/// The time limit of a request that is sent once more, `elapsed` after the exchange began.
///
/// # Errors
///
/// No time is left.
pub(crate) fn time_left(limit: Duration, elapsed: Duration) -> Result<Duration, TransportError> {
    let left = limit.saturating_sub(elapsed);
    if left.is_zero() {
        return Err(TransportErrorKind::Timeout.into());
    }
    Ok(left)
}

#[cfg(test)]
mod tests;
