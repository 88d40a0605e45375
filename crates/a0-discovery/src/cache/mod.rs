//! The key cache: when keys are fetched, which caller fetches them, and how long the others wait.
//!
//! One attempt to fetch an issuer's documents is a *round*. A call passes through these files: a
//! driver ([`blocking`] or `asynchronous`) takes the record of its issuer from the records of all
//! issuers ([`shared`]) and runs a query ([`query`]). The query decides from the record ([`record`]), and
//! for a failing issuer by its back-off ([`back_off`]). A call that leads a round holds a flight
//! ([`flight`]), and its driver carries out the steps ([`step`]) of the round ([`round`]). Other calls
//! wait ([`waiting`]). An observer may watch the round ([`observer`]).
//!
//! With a store that processes share, the round reads the stored documents and agrees with the other
//! processes who fetches ([`shared_round`], [`claim`]). After it, the documents are stored
//! ([`aftermath`], [`second_level`], [`entry_keys`]).

mod adapter;
mod aftermath;
#[cfg(feature = "async")]
mod async_adapter;
#[cfg(feature = "async")]
pub mod asynchronous;
mod back_off;
mod blocking;
mod builder;
mod claim;
mod entry_keys;
mod flight;
mod in_memory;
mod observer;
mod query;
mod record;
mod refreshes;
mod round;
mod second_level;
mod shared;
mod shared_round;
mod status;
mod step;
mod waiting;

pub use adapter::{CacheAdapter, CacheAdapterError};
pub use blocking::KeyCache;
pub use builder::KeyCacheBuilder;
pub use entry_keys::{EntryAuthentication, EntryKeyTooShort, EntryKeys};
pub use in_memory::InMemoryCache;
pub use observer::{RefreshEnd, RefreshObserver, RefreshSpan};
pub use second_level::{EntryRefusal, RefusedEntry};
pub use status::{Freshness, IssuerStatus};
