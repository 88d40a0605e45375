//! The integration tests in one program, which is built and linked once.

#[macro_use]
#[path = "../scenarios/mod.rs"]
mod scenarios;

#[cfg(feature = "async")]
mod asynchronous;
mod blocking;
#[cfg(feature = "ureq")]
mod blocking_api;
mod builder;
#[cfg(feature = "ureq")]
mod explain;
mod genuine_signatures;
mod guide;
mod https;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "ureq")]
mod mutual_tls;
mod protected_resource;
mod secret_file;
#[cfg(feature = "tracing")]
mod tracing;
