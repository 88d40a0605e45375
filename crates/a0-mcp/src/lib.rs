//! Protects MCP servers with access tokens that Auth0 issued, as the authorization specification of MCP asks.
//!
//! [`McpAuth`] is a tower layer around the service of [`rmcp`]. [`Caller`] is the verified token in tools, and
//! [`Downstream`] calls other APIs on behalf of the user. The client and the policies are those of [`auth0_api`].
//!
//! ```
//! use std::sync::Arc;
//!
//! use a0_mcp::{Caller, McpAuth, ToolError};
//! use auth0_api::{Policy, ProtectedResource, asynchronous::ApiClient};
//! use axum::Router;
//! use rmcp::transport::streamable_http_server::StreamableHttpService;
//! use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
//! use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
//!
//! #[derive(Clone)]
//! struct Tools;
//!
//! #[tool_router]
//! impl Tools {
//!     #[tool(description = "Says who calls")]
//!     async fn whoami(&self, caller: Caller) -> Result<String, ErrorData> {
//!         let subject = caller.subject().map_err(ToolError::from)?;
//!         Ok(subject.unwrap_or_default().to_owned())
//!     }
//! }
//!
//! #[tool_handler]
//! impl ServerHandler for Tools {}
//!
//! # fn app() -> Result<Router, Box<dyn std::error::Error>> {
//! let resource = "https://api.example/mcp";
//! let client = ApiClient::builder()
//!     .domain("tenant.eu.auth0.com")
//!     .audience(resource)
//!     .protected_resource(ProtectedResource::new(resource).scopes_supported(["mcp:use"]))
//!     .build_async()?;
//!
//! let auth = McpAuth::new(client)?.require(Policy::scope("mcp:use"));
//! let sessions = Arc::new(LocalSessionManager::default());
//! let service = StreamableHttpService::new(|| Ok(Tools), sessions, auth.server_config());
//! let app = Router::new()
//!     .route_service("/mcp", service)
//!     .route_layer(auth.clone())
//!     .merge(auth.metadata().router());
//! # Ok(app)
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod answer;
mod body;
mod bridge;
mod cors;
mod gate;
mod headers;
mod json;
mod layer;
mod message;
mod operations;
mod origin;
mod service;
mod session;
mod settings;
mod stream;

/// The crate whose types are in the public items of this one.
pub use rmcp;

pub use body::McpBody;
pub use bridge::{Caller, Downstream, ToolError};
pub use cors::{CORS_EXPOSED_HEADERS, CORS_METHODS, CORS_REQUEST_HEADERS};
pub use layer::{McpAuth, McpConfigError};
pub use service::{GateService, McpFuture, McpService};
pub use stream::AnswerBody;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/mcp.md")]
struct McpGuide;
