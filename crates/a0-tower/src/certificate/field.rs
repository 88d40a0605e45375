//! Certificates in header fields. What is not exactly one certificate in exactly one form is `None`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;

use super::text::is_one_element;

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Decodes a byte sequence of structured fields (RFC 8941 section 3.3.5): standard base64 between colons.
/// The padding must be there, and the bits that it leaves over must be zero. RFC 9440 defines no parameters,
/// so there are none.
pub(super) fn from_byte_sequence(value: &[u8]) -> Option<Vec<u8>> {
    let base64 = value.strip_prefix(b":")?.strip_suffix(b":")?;
    certificate(STANDARD.decode(base64).ok()?)
}

/// Decodes PEM (RFC 7468 section 5.1) that is percent-encoded. A plus sign means itself: nginx encodes it, and
/// no form is decoded here.
pub(super) fn from_escaped_pem(value: &[u8]) -> Option<Vec<u8>> {
    let pem: Vec<u8> = percent_decode(value).collect();
    let begun = pem.trim_ascii().strip_prefix(BEGIN)?;
    let base64 = begun.strip_suffix(END)?;
    // A second certificate would have dashes, which are not base64.
    let is_line_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
    let base64: Vec<u8> = base64
        .iter()
        .filter(|octet| !is_line_end(octet))
        .copied()
        .collect();
    certificate(STANDARD.decode(base64).ok()?)
}

/// A certificate is one element of DER, and nothing follows it.
fn certificate(der: Vec<u8>) -> Option<Vec<u8>> {
    is_one_element(&der).then_some(der)
}
