//! The DER encodings that AWS-LC reads: `Ecdsa-Sig-Value` for signatures (RFC 3279 section 2.2.3)
//! and `SubjectPublicKeyInfo` for public keys (RFC 5480 section 2).
//!
//! aws-lc-rs also accepts R || S and a bare point, but both take longer. It converts R || S to an
//! object, writes that as DER and reads the DER again: 0.5 us, a hundredth of a P-256 check. It
//! first tries to read a bare point as DER, and later checks the point once more: 0.2 us.

use std::io::{self, Write};

use crate::algorithm::Curve;

/// Octets of the longest encoding, a public key of P-521. The longest signature has fewer.
const MAX: usize = 25 + 133;

/// Octets of R and of S for P-521, the longest.
const MAX_NUMBER: usize = 66;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// Precedes a length of 128 to 255, which takes one octet.
const LONG_FORM: u8 = 0x81;

/// Returns the octets before the uncompressed point. They name the curve.
fn public_key_prefix(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => &[
            SEQUENCE, 0x59, SEQUENCE, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
            0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ],
        Curve::P384 => &[
            SEQUENCE, 0x76, SEQUENCE, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
            0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
        ],
        Curve::P521 => &[
            SEQUENCE, LONG_FORM, 0x9b, SEQUENCE, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d,
            0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, LONG_FORM, 0x86, 0x00,
        ],
    }
}

pub(super) struct Der {
    octets: [u8; MAX],
    length: usize,
}

impl Der {
    /// Encodes an uncompressed point. Returns `None` where it is longer than those of any curve.
    pub(super) fn public_key(curve: Curve, point: &[u8]) -> Option<Self> {
        Der::write(|out| {
            out.write_all(public_key_prefix(curve))?;
            out.write_all(point)
        })
    }

    /// Encodes R and S. Returns `None` where one is longer than those of any curve. Their values
    /// are checked when the signature is.
    pub(super) fn signature(r: &[u8], s: &[u8]) -> Option<Self> {
        if r.len().max(s.len()) > MAX_NUMBER {
            return None;
        }
        Der::write(|out| write_signature(out, minimal(r), minimal(s)))
    }

    fn write(write: impl FnOnce(&mut &mut [u8]) -> io::Result<()>) -> Option<Self> {
        let mut octets = [0; MAX];
        let mut rest = octets.as_mut_slice();
        write(&mut rest).ok()?;
        let left = rest.len();
        Some(Der {
            octets,
            length: MAX.checked_sub(left)?,
        })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

fn write_signature(out: &mut impl Write, r: &[u8], s: &[u8]) -> io::Result<()> {
    let content = [r, s].map(|number| 2 + usize::from(sign(number).is_some()) + number.len());
    let content = octet(content.iter().sum())?;
    match content {
        0..0x80 => out.write_all(&[SEQUENCE, content])?,
        _ => out.write_all(&[SEQUENCE, LONG_FORM, content])?,
    }
    for number in [r, s] {
        let sign = sign(number);
        out.write_all(&[INTEGER, octet(usize::from(sign.is_some()) + number.len())?])?;
        out.write_all(sign.unwrap_or_default())?;
        out.write_all(number)?;
    }
    Ok(())
}

/// Strips leading zero octets, but never the last octet.
fn minimal(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    let zeros = zeros.min(number.len().saturating_sub(1));
    number.get(zeros..).unwrap_or_default()
}

/// Returns the zero octet that keeps a number positive, where its first bit is set.
fn sign(number: &[u8]) -> Option<&'static [u8]> {
    let is_set = number.first().is_none_or(|octet| octet & 0x80 != 0);
    is_set.then_some(&[0])
}

fn octet(length: usize) -> io::Result<u8> {
    length
        .try_into()
        .map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::PKey;

    use super::*;

    #[test]
    fn a_public_key_in_der_is_what_openssl_writes() {
        for (curve, nid, length) in [
            (Curve::P256, Nid::X9_62_PRIME256V1, 65),
            (Curve::P384, Nid::SECP384R1, 97),
            (Curve::P521, Nid::SECP521R1, 133),
        ] {
            let group = EcGroup::from_curve_name(nid);
            let key = group.and_then(|group| EcKey::generate(&group));
            let der = key.and_then(|key| PKey::from_ec_key(key)?.public_key_to_der());
            let der = der.unwrap_or_default();
            let point = der.len().checked_sub(length).and_then(|at| der.get(at..));
            let made = point.and_then(|point| Der::public_key(curve, point));
            assert_eq!(made.as_ref().map(Der::as_bytes), Some(&*der), "{nid:?}");
        }
    }

    #[test]
    fn numbers_in_der_are_positive_and_of_minimal_length() {
        let cases: [(&[u8], &[u8], &[u8]); 4] = [
            (&[1], &[2], &[0x30, 6, 2, 1, 1, 2, 1, 2]),
            (
                &[0, 0x7f],
                &[0x80, 0],
                &[0x30, 8, 2, 1, 0x7f, 2, 3, 0, 0x80, 0],
            ),
            (&[0, 0], &[0, 0xff], &[0x30, 7, 2, 1, 0, 2, 2, 0, 0xff]),
            (&[], &[], &[0x30, 6, 2, 1, 0, 2, 1, 0]),
        ];
        for (r, s, der) in cases {
            let made = Der::signature(r, s);
            assert_eq!(made.as_ref().map(Der::as_bytes), Some(der));
        }
        let longest = Der::signature(&[0xff; 66], &[0xff; 66]);
        let longest = longest.as_ref().map(Der::as_bytes).unwrap_or_default();
        assert_eq!(longest.len(), 3 + 138);
        assert!(longest.starts_with(&[0x30, 0x81, 138, 2, 67, 0, 0xff]));
        for (r, s) in [(67, 66), (66, 67), (MAX, 66)] {
            let made = Der::signature(&vec![0xff; r], &vec![0xff; s]);
            assert!(made.is_none(), "{r}, {s}");
        }
    }
}
