//! base64url without padding, RFC 7515 section 2. Only the canonical form is accepted.

use base64::{Engine as _, decoded_len_estimate};

/// Decodes and encodes many letters at once where the processor supports it.
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

/// Decodes base64url (RFC 7515 section 2). Returns `None` for anything that is not canonical.
///
/// Padding, the standard alphabet, white space and non-zero spare bits are refused, so each octet
/// string has exactly one text.
///
/// ```
/// assert_eq!(a0_jose::base64url_decode("-_8").as_deref(), Some(&[0xfb, 0xff][..]));
/// assert_eq!(a0_jose::base64url_decode("-_9"), None, "spare bits");
/// assert_eq!(a0_jose::base64url_decode("-_8="), None, "padding");
/// ```
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let text = text.as_ref();
    // `Engine::decode` allocates zeroed memory, which is slower in some allocators.
    let mut octets = Vec::with_capacity(decoded_len_estimate(text.len()));
    ENGINE.decode_vec(text, &mut octets).ok()?;
    Some(octets)
}

/// Returns whether [`decode`] would accept the text, without decoding it: every letter is in the alphabet,
/// and the bits of the last one that stand for no octet are zero.
pub(crate) fn is_canonical(letters: &[u8]) -> bool {
    let spare_bits = match letters.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    // Without a branch for each letter, the compiler checks many letters at once.
    let foreign = letters.iter().fold(0, |foreign, letter| {
        let is_known = (letter & !0x20).wrapping_sub(b'A') < 26
            || letter.wrapping_sub(b'0') < 10
            || *letter == b'-'
            || *letter == b'_';
        foreign | u8::from(!is_known)
    });
    foreign == 0
        && letters
            .last()
            .is_none_or(|last| sextet(*last) & spare_bits == 0)
}

/// The six bits that a letter of the alphabet stands for (RFC 4648 section 5).
fn sextet(letter: u8) -> u8 {
    match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        _ => 63,
    }
}

/// Decodes into `buffer` and returns the part that was filled. Returns `None` where [`decode`]
/// does, and where the buffer is too small. The decoder may need up to two octets more than it
/// fills.
pub(crate) fn decode_into(text: impl AsRef<[u8]>, buffer: &mut [u8]) -> Option<&[u8]> {
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

/// Encodes into `buffer` and returns the part that was filled. Returns `None` where the buffer is
/// too small.
pub(crate) fn encode_into<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = ENGINE.encode_slice(bytes, buffer).ok()?;
    buffer.get(..length)
}
