//! What the clients do to a request before they send it.

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request};

/// The request without what is the client's to choose.
pub(crate) fn bare(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    // A caller's length that does not fit the body would stall the exchange.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING] {
        request.headers_mut().remove(name);
    }
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
