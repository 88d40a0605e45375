//! A DPoP replay store that several processes share, in a Redis or Valkey server.
//!
//! [`RedisBuilder`] says which server, how its keys begin, how long a call may take, and what to do
//! while the server is away. [`RedisReplayStore`] is the result.
//!
//! ```no_run
//! use a0_redis::{RedisBuilder, WhenAway};
//!
//! // One for the whole process. No request is sent yet.
//! let replay = RedisBuilder::new("redis://127.0.0.1:6379").replay_store(WhenAway::Refuse)?;
//! # let _: a0_redis::RedisReplayStore = replay;
//! # Ok::<(), a0_redis::InvalidOption>(())
//! ```
//!
//! The types of the crate `redis` are private here.

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

mod builder;
mod error;
mod pool;
mod replay;

pub use builder::{DEFAULT_TIME_LIMIT, RedisBuilder};
pub use error::{InvalidOption, RedisError};
pub use replay::{RedisReplayStore, WhenAway};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
