//! The integration tests in one program, which is built and linked once.

mod create;
mod no_panic;
mod nonce;
mod replay;
