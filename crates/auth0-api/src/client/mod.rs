//! The two clients and how options become a client. [`blocking`] and [`asynchronous`] drive the same
//! decision; [`build`] checks the options for both.

#[cfg(feature = "async")]
pub mod asynchronous;
pub(crate) mod blocking;
mod build;
mod http_client;
