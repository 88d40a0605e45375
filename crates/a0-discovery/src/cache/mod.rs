//! Keys in memory: when they are fetched, by whom, and who waits meanwhile.
//!
//! A call goes down these files: a driver ([`blocking`] or `asynchronous`) holds a query ([`query`])
//! that asks the record of its issuer ([`decision`], [`record`]) what to do. If it leads a round
//! ([`flight`]), the driver carries it out as [`round`] says.

mod adapter;
#[cfg(feature = "async")]
mod async_adapter;
#[cfg(feature = "async")]
pub mod asynchronous;
mod blocking;
mod builder;
mod cached;
mod decision;
mod flight;
mod good;
mod in_memory;
mod issuers;
mod places;
mod query;
mod record;
mod refreshes;
mod round;
mod second_level;
mod shared;
mod status;

pub use adapter::{CacheAdapter, CacheAdapterError};
pub use blocking::KeyCache;
pub use builder::KeyCacheBuilder;
pub use in_memory::InMemoryCache;
pub use status::{Freshness, IssuerStatus};
