//! A local Auth0 tenant for tests and demos.
//!
//! [`LocalTenant`] responds like an Auth0 tenant: it serves a discovery document, a key set, a token
//! endpoint, and a login for clients with an authorization code. It mints access tokens and DPoP proofs, valid and malformed ones, rotates its
//! keys, and misbehaves on request ([`Fault`]). Use it in memory, through [`LocalTenant::handle`] or
//! [`LocalTenant::client`], or over real HTTPS on the loopback interface, through [`TenantServer`].
//!
//! The crate verifies no token and depends on no code that does. Tests can therefore compare a
//! verifier with it: an error in the verifier is not repeated here. OpenSSL makes the signatures and
//! speaks TLS.
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
//! All calls are blocking, and callers need no async runtime. A server has a runtime of its own, on
//! a thread of its own.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout
    )
)]

mod certificates;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod error;
mod minting;
mod reply;
mod server;
mod signing;
mod tenant;

pub use certificates::{Certificate, CertificateAuthority};
pub use error::Error;
pub use minting::{AccessTokenBuilder, EncryptionKey, ProofBuilder, ProofKey};
pub use server::{HttpsServer, PeerCertificate, TenantServer, TenantServerBuilder};
pub use signing::{Algorithm, SigningKey, thumbprint};
pub use tenant::{
    Api, ClientRegistration, Endpoint, Fault, Feature, Gate, LocalNetwork, LocalTenant, Login,
    RecordedRequest, RefreshTokens, User,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
