//! The integration tests in one program, which is built and linked once.

#[cfg(all(feature = "async", feature = "contract-tests"))]
mod contract;
mod create;
mod htu;
mod no_panic;
mod nonce;
mod proof;
mod replay;
