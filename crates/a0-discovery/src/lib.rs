//! Issuers, their metadata and their keys: what to fetch, from where, and what may be kept.
//!
//! Nothing here checks a signature. What needs the network is a conversation ([`FetchKeys`]) that
//! yields a request and is resumed with the answer. [`KeyCache`] holds it over a blocking client, as
//! seldom as its [`CachePolicy`] allows, and keeps the outcome. Time is an argument.
//!
//! ```
//! use std::sync::Arc;
//! use a0_discovery::{FetchRules, KeyCache, normalize_domain};
//! use a0_jose::{Algorithm, NumericDate};
//!
//! // Any closure is a client; a real one speaks HTTPS.
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

mod adapter;
#[cfg(feature = "async")]
pub mod asynchronous;
mod cache;
mod cache_control;
mod errand;
mod error;
mod fetch;
mod flight;
mod in_memory;
mod issuer;
mod lease;
mod lock;
mod lookup;
mod memory;
mod metadata;
mod origin;
mod policy;
mod record;
mod second_level;
mod slots;
mod stamp;
mod status;
#[cfg(feature = "async")]
mod wakers;

pub use adapter::{CacheAdapter, CacheAdapterError};
pub use cache::KeyCache;
pub use cache_control::max_age;
pub use error::{Document, FetchError, FetchFailure, TokenEndpointError, Unavailable};
pub use fetch::{FetchKeys, FetchRules, FetchedKeys, IssuerKeys, MAX_BODY};
pub use in_memory::InMemoryCache;
pub use issuer::{DomainError, Issuer, normalize_domain};
pub use lease::Lease;
pub use memory::KeyCacheBuilder;
pub use metadata::Metadata;
pub use origin::{InvalidOrigin, Origin};
pub use policy::{CachePolicy, MAX_TTL, Refresh};
pub use status::{Freshness, IssuerStatus};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
