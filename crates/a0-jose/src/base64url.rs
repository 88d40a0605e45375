//! base64url without padding, RFC 7515 section 2, in its one canonical form.

use base64::{Engine as _, decoded_len_estimate};
use sha2::{Digest, Sha256};

/// Many letters at once, where the processor is seen to have what that takes.
#[cfg(any(
    target_arch = "x86_64",
    all(
        target_arch = "aarch64",
        target_feature = "neon",
        target_endian = "little",
    )
))]
static ENGINE: std::sync::LazyLock<base64::engine::simd::Simd> = std::sync::LazyLock::new(|| {
    base64::engine::simd::Simd::url_safe(base64::engine::general_purpose::NO_PAD)
});
#[cfg(not(any(
    target_arch = "x86_64",
    all(
        target_arch = "aarch64",
        target_feature = "neon",
        target_endian = "little",
    )
)))]
use base64::engine::general_purpose::URL_SAFE_NO_PAD as ENGINE;

/// Decodes base64url (RFC 7515 section 2); `None` for anything that is not canonical.
///
/// Padding, the standard alphabet, white space and non-zero spare bits are refused, so each octet
/// string has exactly one text.
///
/// ```
/// assert_eq!(a0_jose::base64url_decode("-_8").as_deref(), Some(&[0xfb, 0xff][..]));
/// assert_eq!(a0_jose::base64url_decode("-_9"), None, "spare bits");
/// assert_eq!(a0_jose::base64url_decode("-_8="), None, "padding");
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    // `Engine::decode` asks for zeroed memory, for which some allocators go a longer way.
    let mut octets = Vec::with_capacity(decoded_len_estimate(text.len()));
    ENGINE.decode_vec(text, &mut octets).ok()?;
    Some(octets)
}

/// Decodes into `buffer` and gives the part that was filled; `None` as for [`decode`], and where
/// the buffer is too small.
pub(crate) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = ENGINE.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

/// Encodes as base64url without padding (RFC 7515 section 2).
///
/// ```
/// assert_eq!(a0_jose::base64url_encode(&[0xfb, 0xff]), "-_8");
/// ```
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    ENGINE.encode(bytes)
}

/// Whether two octet strings are equal, in a time that does not tell where they differ. Their
/// lengths are no secret.
///
/// ```
/// assert!(a0_jose::constant_time_eq(b"abc", b"abc"));
/// assert!(!a0_jose::constant_time_eq(b"abc", b"abcd"));
/// ```
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && openssl::memcmp::eq(left, right)
}

/// Whether a text is the base64url of a SHA-256, in a time that does not tell where they differ.
///
/// ```
/// use a0_jose::{is_digest, sha256, sha256_base64url};
///
/// assert!(is_digest(&sha256_base64url("a token"), &sha256("a token")));
/// assert!(!is_digest(&sha256_base64url("another"), &sha256("a token")));
/// ```
pub fn is_digest(text: &str, digest: &[u8; 32]) -> bool {
    let mut expected = [0; 43];
    let written = ENGINE.encode_slice(digest, &mut expected);
    written.is_ok() && constant_time_eq(text.as_bytes(), &expected)
}

/// The SHA-256 of `input`, as 32 octets.
///
/// ```
/// assert_eq!(a0_jose::sha256(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
/// ```
pub fn sha256(input: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(input).into()
}

/// The SHA-256 of `input` as base64url: a DPoP `ath` (RFC 9449 section 4.2) where the input is an
/// access token.
///
/// ```
/// let ath = a0_jose::sha256_base64url("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
/// assert_eq!(ath, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
/// ```
pub fn sha256_base64url(input: impl AsRef<[u8]>) -> String {
    encode(sha256(input))
}
