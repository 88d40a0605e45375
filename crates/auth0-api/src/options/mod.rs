//! The options of a client, by concern. All are methods of [`Builder`](builder::Builder).

#[cfg(feature = "async")]
pub(crate) mod asynchronous;
pub(crate) mod authorization;
pub(crate) mod builder;
mod caches;
mod certificates;
mod dpop;
pub(crate) mod encryption;
mod environment;
pub(crate) mod exchange;
mod key_sources;
mod local_tenant;
mod observer;
mod roots;
