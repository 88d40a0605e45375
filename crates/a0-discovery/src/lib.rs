//! Issuers, their metadata and their keys: what to fetch, from where, and how long to cache it.
//!
//! [`KeyCache`] is the main type. It fetches the keys of an issuer when they are needed, caches
//! them as its [`CachePolicy`] says, and makes one fetch serve all callers that need it.
//! [`FetchKeys`] is a single fetch without a cache: a conversation that yields requests and is
//! resumed with the responses.
//!
//! This crate verifies no signatures. The time is an argument of every call. An [`Issuer`] has the
//! form `https://host[:port]/`, as Auth0's have; OpenID providers whose issuer has a path are not
//! supported.
//!
//! ```
//! use std::sync::Arc;
//! use a0_discovery::{FetchRules, KeyCache, normalize_domain};
//! use a0_jose::{Algorithm, NumericDate};
//!
//! // Any closure is an HTTP client. A real one speaks HTTPS.
//! let client = |request: http::Request<Vec<u8>>| {
//!     Ok::<_, std::io::Error>(http::Response::new(match request.uri().path() {
//!         "/.well-known/openid-configuration" => br#"{"issuer":"https://tenant.example/",
//!             "jwks_uri":"https://tenant.example/.well-known/jwks.json"}"#.to_vec(),
//!         _ => br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
//!             "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#.to_vec(),
//!     }))
//! };
//!
//! let issuer = normalize_domain("Tenant.Example")?;
//! let cache = KeyCache::builder(FetchRules::new([Algorithm::EdDsa]), Arc::new(client)).build();
//! let keys = cache.keys(&issuer, NumericDate::from_unix_seconds(1_700_000_000))?;
//! assert_eq!(keys.keys().key_ids().collect::<Vec<_>>(), ["a"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

mod cache;
#[cfg(feature = "contract-tests")]
pub mod contract_tests;
mod error;
mod fetch;
mod https_url;
mod issuer;
mod policy;
mod skipped_keys;

#[cfg(feature = "async")]
pub use cache::asynchronous;
pub use cache::{
    CacheAdapter, CacheAdapterError, EntryAuthentication, EntryKeyTooShort, EntryKeys,
    EntryRefusal, Freshness, InMemoryCache, IssuerStatus, KeyCache, KeyCacheBuilder, RefreshEnd,
    RefreshObserver, RefreshSpan, RefusedEntry,
};
pub use error::{Document, FetchError, FetchFailure, TokenEndpointError, Unavailable};
pub use fetch::{
    FetchKeys, FetchRules, FetchedKeys, IssuerKeys, Lease, MAX_BODY_SIZE, Metadata, max_age,
};
pub use https_url::{HttpsUrl, InvalidHttpsUrl};
pub use issuer::{DomainError, InvalidOrigin, Issuer, Origin, normalize_domain};
pub use policy::{CachePolicy, MAX_TTL, Refresh};
pub use skipped_keys::{SkippedKey, SkippedKeys};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
