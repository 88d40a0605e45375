//! DPoP, RFC 9449: checks one proof against one request, detects replay, issues nonces, and creates
//! proofs.
//!
//! A proof passes through these steps. Each is reached only through the one before:
//!
//! ```text
//! fields -> one_proof -> ProofRules::validate -> UnverifiedProof::verify -> ReplayStore
//!           (check 1)    (2 to 5, 7 to 12)       (6, the signature)         (section 11.1)
//! ```
//!
//! Between `validate` and `verify`, the caller compares [`UnverifiedProof::thumbprint`] with the
//! access token's `cnf.jkt` and verifies that token, so that a proof for another token costs no
//! signature check. Without that comparison, a proof by any key would pass.
//!
//! The time is an argument, and this crate does no input or output. Clients create proofs with
//! [`NewProof`].
//!
//! ```
//! use a0_dpop::{
//!     Htu, InMemoryReplayStore, ProofError, ProofRules, ReplayStore, Seen, Target, one_proof,
//! };
//! use a0_jose::{NumericDate, Thumbprint};
//!
//! // The request in RFC 9449, section 7.1, at the `iat` of its proof, and the thumbprint in its
//! // access token, section 6.1.
//! let fields = ["eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZya\
//!     HgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqS\
//!     G10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoi\
//!     R0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2\
//!     MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRq\
//!     zhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"];
//! let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
//! let bound_to: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse()?;
//! let now = NumericDate::from_unix_seconds(1_562_262_618);
//!
//! let rules = ProofRules::new();
//! let store = InMemoryReplayStore::default(); // one for all requests
//!
//! let proof = one_proof(fields)?.ok_or("no proof")?;
//! let url = Htu::parse("https://resource.example.org/protectedresource?page=2")?;
//! let request = Target::new("GET", url, token);
//! let unverified = rules.validate(proof, &request, None, now)?;
//! assert_eq!(*unverified.thumbprint(), bound_to);
//! // Verify the access token here. Then verify the proof, and record it as used.
//! let verified = unverified.verify()?;
//! let seen = store.check_and_insert(verified.replay_key(), verified.replay_until(), now)?;
//! assert_eq!(seen, Seen::First);
//!
//! // The proof is not valid for another URL, method, token or time.
//! let elsewhere = Target::new("GET", Htu::parse("https://resource.example.org/other")?, token);
//! assert_eq!(rules.validate(proof, &elsewhere, None, now).unwrap_err(), ProofError::Url);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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

#[cfg(feature = "async")]
pub mod asynchronous;
#[cfg(feature = "contract-tests")]
pub mod contract_tests;
mod create;
mod error;
mod htu;
mod nonce;
mod proof;
mod replay;
mod rules;
mod signature;

pub use create::{CreateProofError, NewProof};
pub use error::ProofError;
pub use htu::{Htu, InvalidHtu};
pub use nonce::NonceIssuer;
pub use proof::{MAX_JTI, Target, one_proof};
pub use replay::{InMemoryReplayStore, ReplayStore, ReplayStoreError, Seen};
pub use rules::ProofRules;
pub use signature::{
    MAX_VERIFIED_HEADER, ReplayKey, UnverifiedProof, VerifiedHeader, VerifiedProof,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
