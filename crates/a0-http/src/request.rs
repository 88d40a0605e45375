//! Changes to a request before the clients send it, and when they may repeat it.

use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request};

use crate::{TransportError, TransportErrorKind, content_coding};

/// Replaces the headers that are the client's own choice, and removes the extensions.
pub(crate) fn prepare(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    // A length from the caller that does not match the body would stall the exchange.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    let accepted = HeaderValue::from_static(content_coding::ACCEPTED);
    request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    // The libraries look there for settings of their own, which would override the client's.
    request.extensions_mut().clear();
    request
}

/// Whether the request announces a body, which may be empty (RFC 9110 section 8.6).
pub(crate) fn has_body(request: &Request<Vec<u8>>) -> bool {
    !request.body().is_empty()
        || matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        )
}

/// Whether the request may be sent a second time if a reused connection closes before the response.
/// It must be idempotent (RFC 9110 section 9.2.2).
pub(crate) fn is_repeatable(request: &Request<Vec<u8>>) -> bool {
    request.method() == Method::GET && !has_body(request)
}

/// Returns the time limit for a repeated request, `elapsed` after the exchange began.
///
/// # Errors
///
/// Fails if no time is left.
pub(crate) fn remaining_time(
    limit: Duration,
    elapsed: Duration,
) -> Result<Duration, TransportError> {
    let remaining = limit.saturating_sub(elapsed);
    if remaining.is_zero() {
        return Err(TransportErrorKind::Timeout.into());
    }
    Ok(remaining)
}

#[cfg(test)]
mod tests;
