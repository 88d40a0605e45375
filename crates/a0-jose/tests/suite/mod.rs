//! The tests, once for each backend: `crate::BACKEND` is the one on trial.

mod claims;
mod common;
mod json;
mod keys;
mod no_panic;
mod rfc_examples;
mod structure;
