//! The key cache: when keys are fetched, which caller fetches them, and how long the others wait.
//!
//! One attempt to fetch an issuer's documents is a *round*. A call passes through these files: a
//! driver ([`blocking`] or `asynchronous`) takes the record of its issuer from the records of all
//! issuers ([`shared`]) and runs a query ([`query`]). The query asks the record ([`record`]) for a
//! decision ([`decision`]). A call that leads a round holds a flight ([`flight`]), and its driver
//! carries out the steps of the round ([`round`]). An observer may watch the round ([`observer`]).

mod adapter;
#[cfg(feature = "async")]
mod async_adapter;
#[cfg(feature = "async")]
pub mod asynchronous;
mod blocking;
mod builder;
mod decision;
mod flight;
mod in_memory;
mod observer;
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
pub use observer::{RefreshEnd, RefreshObserver, RefreshSpan};
pub use status::{Freshness, IssuerStatus};
