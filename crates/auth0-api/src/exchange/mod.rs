//! Client flows: this API, as a client of its tenant, gets tokens from the token endpoint.

#[cfg(feature = "async")]
mod asynchronous;
mod blocking;
pub(crate) mod flows;
pub(crate) mod obo_cache;
pub(crate) mod single_flight;
