//! Access tokens and DPoP proofs, correct ones and malformed ones.

mod access_token;
mod encryption;
mod jws;
mod proof;

use std::time::{SystemTime, UNIX_EPOCH};

pub use access_token::AccessTokenBuilder;
pub(crate) use access_token::LIFETIME;
pub use encryption::EncryptionKey;
pub(crate) use jws::{base64url, decode_unverified};
pub use proof::{ProofBuilder, ProofKey};

/// Seconds since 1970, negative before it.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
    }
}
