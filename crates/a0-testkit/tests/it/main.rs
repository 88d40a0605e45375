//! The integration tests in one program, which is built and linked once.

#[cfg(feature = "cli")]
mod a0_tenant;
mod authorize;
mod common;
mod https;
mod login_flow;
mod minting;
mod registration;
mod tenant;
mod token_endpoint;
mod user_tokens;
