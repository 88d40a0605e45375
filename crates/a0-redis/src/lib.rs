//! A DPoP replay store and a key cache that several processes share, in Redis or Valkey.
//!
//! [`RedisBuilder`] says which servers, how their keys begin, how long a call may take, and what to
//! do while Redis is away. It builds a [`RedisReplayStore`] and a [`RedisCache`], and with the
//! feature `async` their async counterparts.
//!
//! ```no_run
//! use a0_redis::{RedisBuilder, WhenAway};
//!
//! // One for the whole process. No request is sent yet.
//! let builder = RedisBuilder::new("redis://127.0.0.1:6379");
//! let replay = builder.clone().replay_store(WhenAway::Refuse)?;
//! let cache = builder.cache()?;
//! # let _: (a0_redis::RedisReplayStore, a0_redis::RedisCache) = (replay, cache);
//! # Ok::<(), a0_redis::InvalidOption>(())
//! ```
//!
//! The types of the crate `redis` are private here.

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
        clippy::print_stdout,
        clippy::exhaustive_enums,
        clippy::exhaustive_structs
    )
)]

mod address;
mod builder;
mod cache;
mod call;
mod driver;
mod error;
mod replay;
mod router;
mod settings;
mod slots;
mod watch;

/// The store and the cache for async callers, on tokio. Needs the feature `async`.
#[cfg(feature = "async")]
pub mod asynchronous {
    pub use crate::cache::asynchronous::RedisCache;
    pub use crate::replay::asynchronous::RedisReplayStore;
}

pub use builder::{DEFAULT_TIME_LIMIT, RedisBuilder};
pub use cache::RedisCache;
pub use error::{InvalidOption, RedisError};
pub use replay::{RedisReplayStore, WhenAway};
pub use watch::RedisObserver;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/scaling.md")]
struct Scaling;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
