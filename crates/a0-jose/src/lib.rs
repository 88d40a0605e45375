//! Strict compact JWS, JSON Web Keys and JWT claims, for resource servers.
//!
//! A token passes through these types in order. Each is made only from the one before it:
//!
//! ```text
//! &str -> Compact (three borrowed segments)
//!           -> Unverified (header and claims, parsed once)
//!                -> Verifiable (the header passed the HeaderRules)
//!                     -> VerifiedJws (a key of a JwkSet made the signature)
//! ```
//!
//! This crate does no HTTP, reads no clock and keeps no cache: the time is an argument, `now`.
//!
//! ```
//! use a0_jose::{Algorithm, Compact, HeaderRules, JwkSet, VerifyingKey};
//!
//! // RFC 7515, appendix A.3: an ES256 key and a token signed with it.
//! let keys = br#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a3",
//!     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
//!     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
//! let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6\
//!     Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfT\
//!     jDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
//!
//! let allowed = [Algorithm::Es256];
//! let keys = JwkSet::parse(keys, &allowed)?;
//! let unverified = Compact::parse(token, 16 * 1024)?.decode()?;
//! assert_eq!(unverified.claims().issuer()?, Some("joe"));
//!
//! let verifiable = unverified.validate_header(&HeaderRules::new(allowed))?;
//! // This token has no `kid`, so the caller picks the key. `verify` selects keys by `kid`.
//! let key: &VerifyingKey = keys.candidates("a3", Algorithm::Es256).next().ok_or("no key")?;
//! let verified = verifiable.verify_with(key)?;
//! assert!(verified.claims().get("http://example.com/is_root").is_some());
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

mod algorithm;
mod base64url;
mod content;
mod digest;
mod edwards;
mod error;
pub mod json;
pub mod jwe;
mod jwk;
mod jwk_set;
mod jws;
mod key;
mod peek;
mod private_key;
mod rules;
mod signing;

pub use algorithm::{Algorithm, UnsupportedAlgorithm};
pub use base64url::{decode as base64url_decode, encode as base64url_encode};
pub use content::{Claims, DecodedHeader, Header, NumericDate};
pub use digest::{
    InvalidThumbprint, Thumbprint, constant_time_eq, is_digest, sha256, sha256_base64url,
};
pub use error::{
    ClaimError, ClaimValidationError, HeaderError, JwkError, ParseError, Part, UnusableKey,
    VerifyError,
};
pub use jwk::{Jwk, has_private_member};
pub use jwk_set::{JwkSet, JwkSetError, MAX_CANDIDATES, MAX_KEYS};
pub use jws::{Compact, Unverified, Verifiable, VerifiedJws};
pub use key::{Backend, InvalidSignature, VerifyingKey};
pub use peek::{unverified_header, unverified_payload};
pub use rules::{ClaimRules, HeaderRules};
pub use signing::{Signer, SigningError, SigningKey, random_token_id};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
