//! A point on a NIST curve, held on the stack: every DPoP proof carries one.

/// The first octet of an uncompressed point (SEC 1 section 2.3.3). No other form is ever built, so
/// the point at infinity cannot occur.
const UNCOMPRESSED: u8 = 4;

/// Octets of the longest coordinate, a coordinate of P-521.
const MAX_COORDINATE: usize = 66;

/// An uncompressed point: the octet [`UNCOMPRESSED`], then both coordinates in full length. Each
/// point has exactly one form. Building a key from it checks that it is on its curve.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    octets: [u8; 1 + 2 * MAX_COORDINATE],
    coordinate_length: usize,
}

impl Point {
    /// Returns `None` where the coordinates differ in length or are longer than [`MAX_COORDINATE`].
    pub(crate) fn new(x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != y.len() {
            return None;
        }
        let mut octets = [0; 1 + 2 * MAX_COORDINATE];
        let (first, rest) = octets.split_first_mut()?;
        *first = UNCOMPRESSED;
        rest.get_mut(..x.len())?.copy_from_slice(x);
        rest.get_mut(x.len()..)?
            .get_mut(..y.len())?
            .copy_from_slice(y);
        Some(Point {
            octets,
            coordinate_length: x.len(),
        })
    }

    /// The encoded point.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let end = 1 + 2 * self.coordinate_length;
        self.octets.get(..end).unwrap_or_default()
    }
}
