//! The integration tests in one program, which is built and linked once.

mod bridge;
#[path = "../common/mod.rs"]
mod common;
mod dpop;
mod example;
mod hostile;
mod layer;
mod streams;
