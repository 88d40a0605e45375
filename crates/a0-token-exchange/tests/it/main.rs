//! The integration tests in one program, which is built and linked once.

mod conversation;
mod https;
mod no_panic;
#[cfg(feature = "private-key-jwt")]
mod private_key_jwt;
mod properties;
mod responses;
mod secrets;
mod support;
mod wire;
