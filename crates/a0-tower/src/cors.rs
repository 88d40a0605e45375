//! The header fields that a CORS layer must know.

use http::HeaderName;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use crate::fields::{DPOP, DPOP_NONCE};

/// The fields of a request that browsers ask about, for `CorsLayer::allow_headers` of tower-http. The
/// wildcard does not include `Authorization` (Fetch section 3.3.5).
///
/// Put the `CorsLayer` outside of [`Auth`](crate::Auth). It answers preflights itself, and adds its fields to
/// refusals too, so that a page can read them.
///
/// ```
/// use a0_tower::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
/// use axum::Router;
/// use http::{HeaderValue, Method};
/// use tower_http::cors::CorsLayer;
///
/// # fn protect(auth: a0_tower::Auth) -> Router {
/// let cors = CorsLayer::new()
///     .allow_origin(HeaderValue::from_static("https://app.example"))
///     .allow_methods([Method::GET, Method::POST])
///     .allow_headers(CORS_REQUEST_HEADERS)
///     .expose_headers(CORS_EXPOSED_HEADERS);
/// Router::new().layer(auth).layer(cors)
/// # }
/// ```
pub const CORS_REQUEST_HEADERS: [HeaderName; 2] = [AUTHORIZATION, DPOP];

/// The fields of a response that a page must be able to read, for `CorsLayer::expose_headers` of tower-http:
/// the challenges, and the nonce for DPoP proofs.
pub const CORS_EXPOSED_HEADERS: [HeaderName; 2] = [WWW_AUTHENTICATE, DPOP_NONCE];
