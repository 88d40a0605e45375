//! DPoP, RFC 9449: one proof against one request, replay and nonces.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod create;
mod error;
mod htu;
mod nonce;
mod proof;
mod replay;

pub use create::{CreateProofError, NewProof};
pub use error::ProofError;
pub use htu::{Htu, InvalidHtu};
pub use nonce::NonceIssuer;
pub use proof::{JudgedProof, MAX_JTI, ProofRules, Target, VerifiedProof, one_proof};
pub use replay::{InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
