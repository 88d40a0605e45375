//! A point of a NIST curve as octets, on the stack: every DPoP proof brings one.

/// The octet that an uncompressed point begins with (SEC 1 section 2.3.3). A point of any other
/// form, infinity among them, is never built.
const UNCOMPRESSED: u8 = 4;

/// Octets of the longest coordinate, that of P-521.
const MAX_COORDINATE: usize = 66;

/// An uncompressed point: its first octet, and both coordinates in full length. So one point has one
/// form. Whether it is on its curve is found when a key is made of it.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    octets: [u8; 1 + 2 * MAX_COORDINATE],
    coordinate_length: usize,
}

impl Point {
    /// `None` where the coordinates differ in length or are longer than any.
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

    /// The whole point.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let end = 1 + 2 * self.coordinate_length;
        self.octets.get(..end).unwrap_or_default()
    }
}
