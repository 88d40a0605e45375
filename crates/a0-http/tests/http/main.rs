//! The integration tests in one program, which is built and linked once.

#[cfg(any(feature = "ureq", feature = "reqwest"))]
#[macro_use]
#[path = "../support/mod.rs"]
mod support;

#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod clients;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod connections;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod content_coding;
mod drive;
mod error;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod process;
#[cfg(feature = "reqwest")]
mod reqwest_client;
