//! The forms that a certificate and its hash have.

/// Whether the octets are one SEQUENCE of DER from their first to their last, as a certificate is (RFC 5280
/// section 4.1). A chain in one value is not.
pub(super) fn is_one_element(der: &[u8]) -> bool {
    let Some((&[0x30, first], rest)) = der.split_first_chunk() else {
        return false;
    };
    // The number of octets that the length takes. A certificate has at least 128 octets.
    let (length, rest) = match first {
        0x81 => split_length::<1>(rest),
        0x82 => split_length::<2>(rest),
        0x83 => split_length::<3>(rest),
        _ => return false,
    };
    length == Some(rest.len())
}

fn split_length<const N: usize>(octets: &[u8]) -> (Option<usize>, &[u8]) {
    let Some((length, rest)) = octets.split_first_chunk::<N>() else {
        return (None, octets);
    };
    // At most three octets.
    let length = length
        .iter()
        .fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
    (Some(length), rest)
}

/// Decodes the 64 hexadecimal digits of a SHA-256.
pub(super) fn hash_of_hex(hex: &[u8]) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let (pairs, rest) = hex.as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return None;
    }
    for (octet, [high, low]) in hash.iter_mut().zip(pairs) {
        *octet = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

fn digit(letter: u8) -> Option<u8> {
    let digit = char::from(letter).to_digit(16)?;
    u8::try_from(digit).ok()
}
