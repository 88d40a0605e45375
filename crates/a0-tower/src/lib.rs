//! Protects tower services and axum routers with access tokens that Auth0 issued.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

pub mod grpc;
pub mod guard;
pub mod proxy;
pub mod source;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
