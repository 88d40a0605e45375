//! Verifies Auth0 access tokens for an API: bearer tokens, and tokens bound to a key by DPoP or to a client
//! certificate by mutual TLS. Gets tokens for the APIs that it calls in turn.
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
//! A verification checks a request in this order: its credentials and its proof, the form of the token (an
//! encrypted one is then decrypted), its header and its claims, `cnf`, everything of the proof that needs no key, then the signature of the
//! token, the signature of the proof, and replay. A request that fails a check is refused before any keys
//! are fetched, if the check does not need them.
//!
//! Calls block. The module `asynchronous` (feature `async`) has the same client for async callers. Both
//! clients are cheap to clone, and any number of threads may use them.

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

mod authorization;
mod client;
mod clock;
mod error;
mod exchange;
pub mod observer;
mod options;
mod resource_metadata;
mod verification;

pub use a0_act::{EntityProfile, get_current_actor, get_delegation_chain};
pub use a0_discovery::{
    CacheAdapter, EntryAuthentication, EntryKeyTooShort, EntryKeys, Freshness, IssuerStatus,
    Refresh, normalize_domain,
};
#[cfg(any(feature = "ureq", feature = "async"))]
pub use a0_http::TrustRoots;
#[cfg(feature = "ureq")]
pub use a0_http::UreqClient;
#[cfg(feature = "async")]
pub use a0_http::{AsyncHttpClient, ReqwestClient};
pub use a0_http::{HttpClient, TransportError};
pub use a0_jose::jwe::{DecryptionKey, KeyEncryptionAlgorithm};
pub use a0_jose::{Backend, NumericDate};
#[cfg(feature = "private-key-jwt")]
pub use a0_token_exchange::WorkerKey;
pub use a0_token_exchange::{
    ClientAuth, ConnectionToken, IssuedToken, OnBehalfOf, TokenExchange, TokenResponse, WorkerToken,
};
/// The crates that this one is built on, for the types in its public items.
pub use {
    a0_act as act, a0_discovery as discovery, a0_dpop as proof, a0_http as transport,
    a0_jose as jose, a0_token_exchange as token_exchange,
};

pub use authorization::policy::Policy;
pub use authorization::principal::Principal;
pub use authorization::{DeniedBy, PolicyPanicked, StepUp};
/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(feature = "async")]
pub use client::asynchronous;
pub use client::blocking::ApiClient;
pub use error::api_error::{ApiError, ClientFlowError};
pub use error::challenge::{Challenge, InvalidParameter};
pub use error::diagnosis::{Diagnosis, Step};
pub use error::{
    ArgumentSource, Error, ErrorKind, IssuedNonce, IssuerError, KeysUnavailable, Outage,
    SchemeError, TokenError,
};
pub use observer::counters::Counts;
pub use options::builder::{Builder, TokenProfile};
pub use resource_metadata::document::ProtectedResourceMetadata;
pub use resource_metadata::options::ProtectedResource;
pub use verification::confirmation::{Confirmation, ConfirmationError};
pub use verification::context::RequestContext;
pub use verification::context::TokenOptions;
pub use verification::proof_alone::DpopProof;
pub use verification::request::{DpopMode, Scheme};
pub use verification::resolver::ResolverContext;
pub use verification::resolver::{DomainsResolverError, ResolverFault};
pub use verification::token::VerifiedToken;
pub use verification::token_cache::TokenCacheStatus;
pub use verification::typed::Verified;

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
#[doc = include_str!("../../../docs/authorization.md")]
struct AuthorizationGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/dpop.md")]
struct DpopGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/encrypted-tokens.md")]
struct EncryptionGuide;

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
#[doc = include_str!("../../../docs/observability.md")]
struct ObservabilityGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-python.md")]
struct FromPythonGuide;
