//! A local Auth0 tenant for tests and demos.
//!
//! [`LocalTenant`] answers like a tenant of Auth0: discovery document, key set and token endpoint.
//! It mints access tokens and DPoP proofs, good ones and malformed ones, rotates its keys, and
//! misbehaves on request. It works in memory, through [`LocalTenant::handle`] or
//! [`LocalTenant::client`], or over real HTTPS on the loopback interface, through [`TenantServer`].
//!
//! Nothing here checks a token, and nothing here depends on code that does: what a verifier makes
//! of these tokens is its own affair, so the crate can serve as an independent oracle. Signatures
//! and TLS are OpenSSL's.
//!
//! ```
//! use a0_testkit::{Endpoint, Fault, LocalTenant};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let tenant = LocalTenant::new("tenant.example")?;
//! let token = tenant.access_token().subject("auth0|ada").scope("read:things").mint()?;
//! assert_eq!(token.split('.').count(), 3);
//!
//! let request = http::Request::get("https://tenant.example/.well-known/jwks.json").body(vec![])?;
//! assert_eq!(tenant.handle(request.clone())?.status(), 200);
//!
//! tenant.misbehave_times(Endpoint::Jwks, 1, Fault::status(503));
//! assert_eq!(tenant.handle(request.clone())?.status(), 503);
//! assert_eq!(tenant.handle(request)?.status(), 200);
//! assert_eq!(tenant.request_count(Endpoint::Jwks), 3);
//! # Ok(())
//! # }
//! ```
//!
//! Calls block; threads are plain threads; nothing needs an async runtime.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::dbg_macro,
        clippy::print_stdout
    )
)]

mod algorithm;
mod error;
mod fault;
mod form;
mod gate;
mod gzip;
mod http1;
mod jws;
mod keyring;
mod keys;
mod network;
mod oauth;
mod peer;
mod proof;
mod record;
mod reply;
mod server;
mod tenant;
mod thumbprint;
mod tls;
mod token;

pub use algorithm::Algorithm;
pub use error::Error;
pub use fault::Fault;
pub use gate::Gate;
pub use keys::SigningKey;
pub use network::LocalNetwork;
pub use proof::{ProofBuilder, ProofKey};
pub use record::{Endpoint, RecordedRequest};
pub use server::{HttpsServer, TenantServer};
pub use tenant::LocalTenant;
pub use thumbprint::thumbprint;
pub use token::AccessTokenBuilder;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
