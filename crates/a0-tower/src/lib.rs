//! Protects tower services and axum routers with access tokens that Auth0 issued.

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
mod cors;
#[cfg(feature = "axum")]
mod extract;
pub mod grpc;
pub mod guard;
mod mark;
mod nonce;
pub mod proxy;
mod readiness;
mod reading;
mod refusal;
mod scoped;
mod service;
pub mod source;
mod verified;

pub use auth::Auth;
pub use body::AuthBody;
pub use cors::{CORS_EXPOSED_HEADERS, CORS_REQUEST_HEADERS};
pub use readiness::Readiness;
pub use refusal::Refusal;
pub use scoped::{Scoped, Scopes};
pub use service::{AuthFuture, AuthService};
pub use verified::{ClaimsType, Untyped, Verified};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
