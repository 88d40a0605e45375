//! Public JSON Web Keys, RFC 7517, RFC 7518 section 6 and RFC 8037 section 2.

use serde_json::{Map, Value};

use crate::algorithm::{Algorithm, Curve, EdwardsCurve};
use crate::base64url;
use crate::digest::Thumbprint;
use crate::edwards::is_sound_edwards_point;
use crate::error::JwkError;
use crate::json::{Document, Members, Node};

/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
pub(crate) const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus, in bits. With 16384 bits, one verification would take fifty times as
/// long as with 2048.
pub(crate) const MAX_RSA_BITS: usize = 8192;
/// RSA exponents are below this. The cost of a verification grows with the exponent's length.
pub(crate) const RSA_EXPONENT_END: u64 = 1 << 33;

/// The members that make a key private or secret (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
pub(crate) const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Returns whether one of a JWK's member names marks it as a private or secret key. The member's
/// value does not matter: it may be empty or `null`.
///
/// ```
/// let key = a0_jose::json::parse_object(br#"{"kty":"EC","d":null}"#)?;
/// assert!(a0_jose::has_private_member(key.keys()));
/// # Ok::<(), a0_jose::json::JsonError>(())
/// ```
pub fn has_private_member(names: impl IntoIterator<Item = impl AsRef<str>>) -> bool {
    let mut names = names.into_iter();
    names.any(|name| PRIVATE_MEMBERS.contains(&name.as_ref()))
}

/// A public key of type EC, RSA or OKP, whose parameters are canonical and within limits. Private
/// members are neither read nor kept.
///
/// Building a [`VerifyingKey`](crate::VerifyingKey) checks that an EC point is on its curve.
#[derive(Debug, Clone)]
pub struct Jwk {
    key_id: Option<String>,
    pub(crate) declared_algorithm: DeclaredAlgorithm,
    pub(crate) for_signatures: bool,
    pub(crate) parameters: KeyParameters,
}

/// The `alg` member of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum DeclaredAlgorithm {
    Absent,
    Supported(Algorithm),
    /// Any other value, such as an encryption algorithm or a number.
    Unsupported,
}

/// The parameters of a public key, RFC 7518 section 6 and RFC 8037 section 2.
#[derive(Debug, Clone)]
pub(crate) enum KeyParameters {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: Curve, point: Point },
    Edwards { curve: EdwardsCurve, x: Vec<u8> },
}

/// The first octet of an uncompressed point (SEC 1 section 2.3.3). No other form is ever built, so
/// the point at infinity cannot occur.
const UNCOMPRESSED: u8 = 4;

/// Octets of the longest coordinate, a coordinate of P-521.
const MAX_COORDINATE: usize = 66;

/// An uncompressed point on a NIST curve: the octet [`UNCOMPRESSED`], then both coordinates in full
/// length. Each point has exactly one form. Building a key from it checks that it is on its curve. It is
/// held on the stack, because most DPoP proofs carry one.
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

    /// Both coordinates, in full length.
    pub(crate) fn coordinates(&self) -> (&[u8], &[u8]) {
        let coordinates = self.as_bytes().get(1..).unwrap_or_default();
        coordinates.split_at(coordinates.len() / 2)
    }

    /// The encoded point.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        let end = 1 + 2 * self.coordinate_length;
        self.octets.get(..end).unwrap_or_default()
    }
}

/// Who wrote a key, which decides what is tolerated in it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    /// The sender of a proof, in its header.
    Header,
    /// An issuer, in its JWK Set.
    Issuer,
}

impl Jwk {
    /// Reads a public key from a header. Unknown members are ignored (RFC 7517 section 4).
    ///
    /// A member that is `null` has a wrong type. An empty `key_ops` passes: browsers export it for
    /// the public half of a key pair that only signs.
    ///
    /// # Errors
    ///
    /// [`JwkError`]. [`NotAnObject`](JwkError::NotAnObject) includes a map that is nested deeper
    /// than 128.
    pub fn from_object(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let text = serde_json::to_vec(jwk).map_err(|_| JwkError::NotAnObject)?;
        let document = Document::parse(text).map_err(|_| JwkError::NotAnObject)?;
        Jwk::from_members(document.members())
    }

    /// Like [`from_object`](Jwk::from_object), for a key in a header that is parsed already.
    ///
    /// # Errors
    ///
    /// [`JwkError`].
    pub fn from_members(jwk: Members<'_>) -> Result<Self, JwkError> {
        Jwk::read(jwk, Source::Header)
    }

    /// Reads a public key from an issuer's JWK Set, where one key that cannot be read makes an
    /// outage. So a `use`, `alg`, `key_ops` or `kid` that is `null` counts as absent, and leading
    /// zero octets of `n` and `e` do not count. The thumbprint is that of the canonical form.
    ///
    /// # Errors
    ///
    /// [`JwkError`].
    pub fn from_issuer(jwk: Members<'_>) -> Result<Self, JwkError> {
        Jwk::read(jwk, Source::Issuer)
    }

    fn read(jwk: Members<'_>, source: Source) -> Result<Self, JwkError> {
        let [kty, kid, alg, use_, key_ops, crv, x, y, n, e] = jwk.find([
            "kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e",
        ]);
        let parameters = match string(kty, "kty")? {
            "RSA" => rsa(n, e, source)?,
            "EC" => ec(crv, x, y)?,
            "OKP" => edwards(crv, x)?,
            _ => return Err(JwkError::KeyType),
        };
        let [alg, use_, key_ops] = [alg, use_, key_ops]
            .map(|member| member.filter(|member| source == Source::Header || !member.is_null()));
        Ok(Jwk {
            key_id: kid.and_then(Node::as_str).map(str::to_owned),
            declared_algorithm: match alg {
                None => DeclaredAlgorithm::Absent,
                Some(name) => name
                    .as_str()
                    .and_then(|name| name.parse().ok())
                    .map_or(DeclaredAlgorithm::Unsupported, DeclaredAlgorithm::Supported),
            },
            for_signatures: for_signatures(use_, key_ops, source),
            parameters,
        })
    }

    /// The `kid`. `None` where it is absent or not a string.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The thumbprint, RFC 7638 section 3. It does not cover `kid`, `alg` or `use`. Each call computes it.
    pub fn thumbprint(&self) -> Thumbprint {
        match &self.parameters {
            KeyParameters::Rsa { modulus, exponent } => Thumbprint::rsa(exponent, modulus),
            KeyParameters::Ec { curve, point } => {
                let (x, y) = point.coordinates();
                Thumbprint::ec(curve.name(), x, y)
            }
            KeyParameters::Edwards { curve, x } => Thumbprint::edwards(curve.name(), x),
        }
    }
}

/// RFC 7517 sections 4.2 and 4.3. `use` and `key_ops`, where present, must both allow verification.
///
/// An issuer that publishes an empty `key_ops` says that its key is for no operation. In a header
/// it comes from a browser that was never told to verify, and its user cannot change it.
fn for_signatures(use_: Option<Node<'_>>, key_ops: Option<Node<'_>>, source: Source) -> bool {
    let is = |value: Node<'_>, wanted| value.as_str() == Some(wanted);
    let allowed_use = use_.is_none_or(|value| is(value, "sig"));
    let allowed_operation = key_ops.is_none_or(|value| {
        value.as_array().is_some_and(|mut operations| {
            let may_be_empty = source == Source::Header;
            may_be_empty && operations.clone().next().is_none()
                || operations.any(|operation| is(operation, "verify"))
        })
    });
    allowed_use && allowed_operation
}

/// Reads an RSA key, RFC 7518 section 6.3.1.
fn rsa(
    n: Option<Node<'_>>,
    e: Option<Node<'_>>,
    source: Source,
) -> Result<KeyParameters, JwkError> {
    let modulus = unsigned(n, "n", source)?;
    let exponent = unsigned(e, "e", source)?;
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits(&modulus)) {
        return Err(JwkError::ModulusSize);
    }
    let value = match exponent.len() {
        0..=8 => exponent
            .iter()
            .fold(0_u64, |value, octet| value << 8 | u64::from(*octet)),
        _ => return Err(JwkError::Exponent),
    };
    if !(3..RSA_EXPONENT_END).contains(&value) || value % 2 == 0 {
        return Err(JwkError::Exponent);
    }
    Ok(KeyParameters::Rsa { modulus, exponent })
}

/// Reads an EC key, RFC 7518 section 6.2.1. A coordinate has the full length of the curve's field.
fn ec(
    crv: Option<Node<'_>>,
    x: Option<Node<'_>>,
    y: Option<Node<'_>>,
) -> Result<KeyParameters, JwkError> {
    let name = string(crv, "crv")?;
    let curve = Curve::ALL
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or(JwkError::Curve)?;
    let length = curve.coordinate_length();
    let (mut x_octets, mut y_octets) = ([0; SCRATCH], [0; SCRATCH]);
    let x = coordinate(x, "x", length, &mut x_octets)?;
    let y = coordinate(y, "y", length, &mut y_octets)?;
    let point = Point::new(x, y).ok_or(JwkError::CoordinateLength)?;
    Ok(KeyParameters::Ec { curve, point })
}

/// Reads an Edwards key, RFC 8037 section 2.
fn edwards(crv: Option<Node<'_>>, x: Option<Node<'_>>) -> Result<KeyParameters, JwkError> {
    let name = string(crv, "crv")?;
    let curve = EdwardsCurve::ALL
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or(JwkError::Curve)?;
    let x = octets_of_length(x, "x", curve.key_length())?;
    if is_sound_edwards_point(curve, &x) {
        Ok(KeyParameters::Edwards { curve, x })
    } else {
        Err(JwkError::InvalidKey)
    }
}

/// Reads a Base64urlUInt (RFC 7518 section 2), without leading zeros. Only an issuer may write
/// leading zeros.
fn unsigned(
    value: Option<Node<'_>>,
    name: &'static str,
    source: Source,
) -> Result<Vec<u8>, JwkError> {
    let mut octets = octets(value, name)?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    if zeros == octets.len() || zeros > 0 && source == Source::Header {
        return Err(JwkError::Member(name));
    }
    octets.drain(..zeros);
    Ok(octets)
}

fn octets_of_length(
    value: Option<Node<'_>>,
    name: &'static str,
    length: usize,
) -> Result<Vec<u8>, JwkError> {
    let octets = octets(value, name)?;
    if octets.len() != length {
        return Err(JwkError::CoordinateLength);
    }
    Ok(octets)
}

/// Octets of the longest coordinate, 66, and room that the decoder needs beyond it.
const SCRATCH: usize = 72;

/// Like [`octets_of_length`], but decodes into `buffer` instead of allocating.
fn coordinate<'b>(
    value: Option<Node<'_>>,
    name: &'static str,
    length: usize,
    buffer: &'b mut [u8; SCRATCH],
) -> Result<&'b [u8], JwkError> {
    let text = string(value, name)?;
    match base64url::decode_into(text, buffer) {
        Some(octets) if octets.len() == length => Ok(octets),
        // Decoding again finds out which error it is. Valid keys do not get here.
        _ => octets_of_length(value, name, length).and(Err(JwkError::CoordinateLength)),
    }
}

fn octets(value: Option<Node<'_>>, name: &'static str) -> Result<Vec<u8>, JwkError> {
    base64url::decode(string(value, name)?).ok_or(JwkError::Member(name))
}

fn string<'v>(value: Option<Node<'v>>, name: &'static str) -> Result<&'v str, JwkError> {
    value.and_then(Node::as_str).ok_or(JwkError::Member(name))
}

/// Returns the bits of a number that has no leading zero octet. Whole octets would not do: 2041
/// bits would pass for 2048.
fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |octet| octet.leading_zeros());
    (number.len() * 8).saturating_sub(leading as usize)
}
