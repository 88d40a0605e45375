//! Decides, before a line of business code runs, whether a request carries an Auth0 access token
//! that is genuine, meant for this API and still valid.
//!
//! ```no_run
//! let client = auth0_api::ApiClient::builder()
//!     .domain("tenant.eu.auth0.com")
//!     .audience("https://api.example/")
//!     .build()?;
//!
//! # let request = http::Request::new(());
//! match client.verify_request(&request) {
//!     Ok(token) => println!("{:?} may go on", token.subject()?),
//!     Err(error) => println!("answer {} with {:?}", error.status_code(), error.headers()),
//! }
//! # Ok::<(), auth0_api::Error>(())
//! ```
//!
//! One request goes through the modules in this order: [`RequestContext`] (its shape), the token's
//! own steps that need no key, `cnf`, a proof's steps that need no key, then the issuer's keys, the
//! token's signature, the proof's signature, and replay. Nothing is fetched for a request that can
//! be refused without.
//!
//! Everything blocks, but in the module `asynchronous` (feature `async`), which has the same methods
//! for async callers. A client is cheap to clone and may be used from any thread.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod api_error;
#[cfg(feature = "async")]
mod async_options;
#[cfg(feature = "async")]
pub mod asynchronous;
mod build;
#[cfg(feature = "async")]
mod build_async;
mod builder;
mod cache_options;
mod challenge;
mod challenger;
mod client;
mod client_flows;
mod environment;
mod error;
mod exchange;
mod refusal;
mod single_flight;
mod verification;

pub use a0_act::{get_current_actor, get_delegation_chain};
pub use a0_discovery::{CacheAdapter, Freshness, IssuerStatus, Refresh, normalize_domain};
#[cfg(feature = "ureq")]
pub use a0_http::UreqClient;
#[cfg(feature = "async")]
pub use a0_http::{AsyncHttpClient, ReqwestClient};
pub use a0_http::{HttpClient, TransportError};
pub use a0_jose::{Backend, NumericDate};
pub use a0_token_exchange::{
    ClientAuth, ConnectionToken, IssuedToken, OnBehalfOf, TokenExchange, TokenResponse,
};
/// The crates below this one, for the types that its own types hold.
pub use {
    a0_act as act, a0_discovery as discovery, a0_dpop as proof, a0_http as transport,
    a0_jose as jose, a0_token_exchange as token_exchange,
};

pub use api_error::{ApiError, ClientFlowError};
pub use builder::{Builder, TokenProfile};
pub use challenge::{Challenge, InvalidParameter};
pub use client::ApiClient;
pub use error::{Error, ErrorKind, IssuerError, Outage, SchemeError, TokenError};
pub use verification::confirmation::ConfirmationError;
pub use verification::issuers::ResolverContext;
pub use verification::options::TokenOptions;
pub use verification::proof::DpopProof;
pub use verification::request::RequestContext;
pub use verification::resolver_error::{DomainsResolverError, ResolverFault};
pub use verification::scheme::DpopMode;
pub use verification::token_cache::TokenCacheStatus;
pub use verification::verified::{Verified, VerifiedToken};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct WorkspaceReadme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/dpop.md")]
struct DpopGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/caching.md")]
struct CachingGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/async.md")]
struct AsyncGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/multiple-custom-domains.md")]
struct DomainsGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/token-exchange.md")]
struct ExchangeGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-python.md")]
struct FromPythonGuide;
