//! Checks on Ed25519 and Ed448 public keys.

use std::cmp::Ordering;

use crate::algorithm::EdwardsCurve;

/// The bit of the last octet that holds the sign of x.
const SIGN: u8 = 0x80;

/// The y coordinates of the points of order 8 on edwards25519, lowest octet first as in a key.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Returns whether the public key of an Edwards curve is canonical and not of small order, which the
/// signature check does not find out. The caller has checked its length.
///
/// With a point of small order anybody can make signatures that verify, as with an RSA exponent of
/// 1; RFC 8032 section 8.9 leaves this check to protocols that need it. A point that is not in its
/// canonical form would give one key two thumbprints (RFC 8032 sections 5.1.3 and 5.2.3).
pub(crate) fn is_sound_edwards_point(curve: EdwardsCurve, key: &[u8]) -> bool {
    let mut y = key.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= !SIGN;
    }
    let prime_less_one = prime_less_one(curve);
    // 0 has order 4, 1 is the neutral element, and p - 1 has order 2, on both curves.
    let trivial =
        y.iter().skip(1).all(|octet| *octet == 0) && y.first().is_some_and(|low| *low < 2);
    let in_range = y.iter().rev().cmp(prime_less_one.iter().rev()) == Ordering::Less;
    let order_8 = curve == EdwardsCurve::Ed25519 && ORDER_8.iter().any(|point| y == point);
    in_range && !trivial && !order_8
}

/// Returns p - 1, lowest octet first: 2^255 - 20 for Ed25519, and 2^448 - 2^224 - 2 for Ed448,
/// where the last octet holds the sign alone.
fn prime_less_one(curve: EdwardsCurve) -> Vec<u8> {
    let octets = 0..curve.key_length();
    let octet = |position: usize| match (curve, position) {
        (EdwardsCurve::Ed25519, 0) => 0xec,
        (EdwardsCurve::Ed25519, 31) => 0x7f,
        (EdwardsCurve::Ed448, 0 | 28) => 0xfe,
        (EdwardsCurve::Ed448, 56) => 0,
        _ => 0xff,
    };
    octets.map(octet).collect()
}
