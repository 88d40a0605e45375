//! The integration tests in one program, which is built and linked once.

mod adapter;
#[cfg(feature = "async")]
mod asynchronous;
mod cache;
#[cfg(feature = "async")]
mod claims;
mod common;
mod concurrency;
#[cfg(all(feature = "async", feature = "contract-tests"))]
mod contract;
mod domains;
mod failures;
#[cfg(feature = "async")]
mod fleet;
mod flight;
#[cfg(feature = "async")]
mod hostile_entries;
mod in_memory;
mod initial;
mod lease;
mod metadata;
mod observer;
mod policy;
#[cfg(feature = "async")]
mod runtimes;
mod token_endpoint;
mod waiting;
#[cfg(feature = "async")]
mod waiting_async;
