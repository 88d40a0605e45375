//! The stores and caches against real servers, which each test starts for itself.

mod cache;
mod cluster;
mod fleet;
mod observer;
mod outages;
mod processes;
mod proxy;
mod replay;
#[cfg(feature = "async")]
mod runtimes;
mod sentinel;
mod servers;
mod stores;
mod tls;
