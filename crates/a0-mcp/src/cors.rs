//! What a CORS layer must know about MCP.

use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, Method};

use crate::headers::{METHOD, NAME, VERSION};
use crate::session::{LAST_EVENT, SESSION};

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The fields that MCP clients in browsers send, such as the MCP Inspector, for `CorsLayer::allow_headers` of
/// tower-http. Add those of your own, such as the `Mcp-Param-...` fields of your tools.
///
/// Put the `CorsLayer` outside of [`McpAuth`](crate::McpAuth), and name its origins in
/// [`allowed_origins`](crate::McpAuth::allowed_origins) too: CORS tells a browser what a page may read, and that
/// option which pages may call at all.
///
/// ```
/// use a0_mcp::{CORS_EXPOSED_HEADERS, CORS_METHODS, CORS_REQUEST_HEADERS, McpAuth};
/// use axum::Router;
/// use http::HeaderValue;
/// use tower_http::cors::CorsLayer;
///
/// fn open_to_the_inspector(auth: McpAuth, server: Router) -> Router {
///     let cors = CorsLayer::new()
///         .allow_origin(HeaderValue::from_static("http://localhost:6274"))
///         .allow_methods(CORS_METHODS)
///         .allow_headers(CORS_REQUEST_HEADERS)
///         .expose_headers(CORS_EXPOSED_HEADERS);
///     let auth = auth.allowed_origins(["http://localhost:6274"]);
///     server.layer(auth).layer(cors)
/// }
/// ```
pub const CORS_REQUEST_HEADERS: [HeaderName; 8] = [
    AUTHORIZATION,
    DPOP,
    CONTENT_TYPE,
    VERSION,
    METHOD,
    NAME,
    SESSION,
    LAST_EVENT,
];

/// The fields of a response that an MCP client in a browser must be able to read, for
/// `CorsLayer::expose_headers` of tower-http: the challenges, without which it finds no login, the nonce for DPoP
/// proofs, and the session.
pub const CORS_EXPOSED_HEADERS: [HeaderName; 4] = [WWW_AUTHENTICATE, DPOP_NONCE, SESSION, VERSION];

/// The HTTP methods of MCP, for `CorsLayer::allow_methods` of tower-http.
pub const CORS_METHODS: [Method; 3] = [Method::GET, Method::POST, Method::DELETE];
