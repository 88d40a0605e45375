//! Cross-origin requests: a client in a browser may use every endpoint that it calls itself. It
//! navigates to the authorization endpoint, so that one is not among them.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue,
};
use http::{HeaderName, Response};

use crate::{Endpoint, reply};

pub(super) fn applies_to(endpoint: Endpoint) -> bool {
    match endpoint {
        Endpoint::Authorize | Endpoint::Login => false,
        Endpoint::Discovery
        | Endpoint::AuthorizationServer
        | Endpoint::Jwks
        | Endpoint::Token
        | Endpoint::Registration => true,
    }
}

/// The tenant takes no cookies at these endpoints, so every origin may call them.
pub(super) fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

pub(super) fn preflight(endpoint: Endpoint) -> Response<Vec<u8>> {
    let mut response = reply::response(204, Vec::new());
    let headers = response.headers_mut();
    allow(headers);
    if let Ok(method) = HeaderValue::from_str(endpoint.method().as_str()) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, method);
    }
    let fixed: [(HeaderName, &'static str); 2] = [
        // The wildcard does not include `Authorization`.
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, *"),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
