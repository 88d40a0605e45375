//! The tests. They run once for each backend: `crate::BACKEND` is the backend under test.

mod claims;
mod common;
mod decoded_headers;
mod forgeries;
mod json;
mod key_sets;
mod keys;
mod no_panic;
mod private_keys;
mod rfc_examples;
mod signatures;
mod structure;
mod thumbprints;
