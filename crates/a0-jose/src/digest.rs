//! SHA-256, and comparison in constant time.

use sha2::{Digest as _, Sha256};

use crate::base64url;

/// Returns the SHA-256 of `input`, as 32 octets.
///
/// ```
/// assert_eq!(a0_jose::sha256(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
/// ```
pub fn sha256(input: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(input).into()
}

/// Returns the SHA-256 of `input` as base64url. For an access token this is the `ath` of a DPoP
/// proof (RFC 9449 section 4.2).
///
/// ```
/// let ath = a0_jose::sha256_base64url("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
/// assert_eq!(ath, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
/// ```
pub fn sha256_base64url(input: impl AsRef<[u8]>) -> String {
    base64url::encode(sha256(input))
}

/// Returns whether `text` is the base64url form of `digest`. The time taken does not reveal where
/// they differ.
///
/// ```
/// use a0_jose::{is_digest, sha256, sha256_base64url};
///
/// assert!(is_digest(&sha256_base64url("a token"), &sha256("a token")));
/// assert!(!is_digest(&sha256_base64url("another"), &sha256("a token")));
/// ```
pub fn is_digest(text: &str, digest: &[u8; 32]) -> bool {
    let mut buffer = [0; 43];
    base64url::encode_into(digest, &mut buffer)
        .is_some_and(|expected| constant_time_eq(text.as_bytes(), expected))
}

/// Returns whether two octet strings are equal. The time taken reveals their lengths, but not where
/// they differ.
///
/// ```
/// assert!(a0_jose::constant_time_eq(b"abc", b"abc"));
/// assert!(!a0_jose::constant_time_eq(b"abc", b"abcd"));
/// ```
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && openssl::memcmp::eq(left, right)
}
