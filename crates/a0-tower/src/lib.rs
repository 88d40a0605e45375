//! Protects tower services and axum routers with access tokens that Auth0 issued.
//!
//! [`Auth`] is the layer, [`Verified`] and [`Scoped`] are the extractors. The client, the policies and the
//! errors are those of [`auth0_api`].
//!
//! ```
//! use a0_tower::{Auth, Refusal, Verified};
//! use auth0_api::asynchronous::ApiClient;
//! use axum::{Router, routing::get};
//!
//! async fn me(token: Verified) -> Result<String, Refusal> {
//!     Ok(format!("Hello, {}", token.subject()?.unwrap_or_default()))
//! }
//!
//! # fn main() -> Result<(), auth0_api::Error> {
//! let client = ApiClient::builder()
//!     .domain("tenant.eu.auth0.com")
//!     .audience("https://api.example/")
//!     .build_async()?;
//! let app: Router = Router::new()
//!     .route("/me", get(me))
//!     .route_layer(Auth::new(client));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! Without the default feature `axum`, [`Verified::from_extensions`] takes the place of the extractors.

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

mod admission;
mod answer;
mod auth;
mod body;
pub mod certificate;
mod cors;
#[cfg(feature = "axum")]
mod extract;
mod fields;
pub mod grpc;
pub mod guard;
mod hook;
mod mark;
mod metadata;
mod nonce;
pub mod proxy;
mod readiness;
mod reading;
mod refusal;
mod scoped;
mod service;
mod settings;
pub mod source;
mod verified;

pub use auth::Auth;
pub use body::AuthBody;
pub use cors::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
pub use hook::Refused;
pub use metadata::MetadataService;
pub use readiness::Readiness;
pub use refusal::Refusal;
pub use scoped::{Scoped, Scopes};
pub use service::{AuthFuture, AuthService};
pub use verified::{ClaimsType, Untyped, Verified};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/servers.md")]
struct ServersGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/certificates.md")]
struct CertificatesGuide;
