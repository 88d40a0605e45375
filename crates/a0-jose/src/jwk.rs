//! Public JSON Web Keys, RFC 7517, RFC 7518 section 6 and RFC 8037 section 2.

use serde_json::{Map, Value};

use crate::algorithm::{Algorithm, Curve, EdwardsCurve};
use crate::base64url;
use crate::edwards_point;
use crate::json::{Document, Members, Node};
use crate::point::Point;
use crate::thumbprint::Thumbprint;

/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus, in bits: at 16384, one verification takes fifty times as long.
const MAX_RSA_BITS: usize = 8192;
/// RSA exponents lie below this: the cost of a verification grows with the exponent's length.
const RSA_EXPONENT_END: u64 = 1 << 33;

/// The members that make a key private or secret (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Whether a JWK with members of these names has one that belongs in no public key, empty or `null`
/// included.
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

/// A public key of type EC, RSA or OKP whose numbers are in their canonical form and within
/// limits. Private members are neither read nor kept.
///
/// That an EC point is on its curve is found when a [`VerifyingKey`](crate::VerifyingKey) is made.
#[derive(Debug, Clone)]
pub struct Jwk {
    key_id: Option<String>,
    pub(crate) intended: Intended,
    pub(crate) for_signatures: bool,
    pub(crate) numbers: Numbers,
    thumbprint: Thumbprint,
}

/// What the `alg` member says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Intended {
    Unsaid,
    For(Algorithm),
    /// For an algorithm that makes no signature known here, or not a string.
    Other,
}

#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ec { curve: Curve, point: Point },
    Edwards { curve: EdwardsCurve, x: Vec<u8> },
}

impl Jwk {
    /// Reads a public key. Members that are not understood are ignored (RFC 7517 section 4).
    ///
    /// # Errors
    ///
    /// [`JwkError`]; [`NotAnObject`](JwkError::NotAnObject) also for a map that is nested deeper than a
    /// text may be.
    pub fn from_object(jwk: &Map<String, Value>) -> Result<Self, JwkError> {
        let text = serde_json::to_vec(jwk).map_err(|_| JwkError::NotAnObject)?;
        let document = Document::parse(text).map_err(|_| JwkError::NotAnObject)?;
        Jwk::from_members(document.members())
    }

    /// As [`from_object`](Jwk::from_object), for a key in a header that was parsed.
    ///
    /// # Errors
    ///
    /// [`JwkError`].
    pub fn from_members(jwk: Members<'_>) -> Result<Self, JwkError> {
        let [kty, kid, alg, use_, key_ops, crv, x, y, n, e] = jwk.find([
            "kty", "kid", "alg", "use", "key_ops", "crv", "x", "y", "n", "e",
        ]);
        let (numbers, thumbprint) = match string(kty, "kty")? {
            "RSA" => rsa(n, e)?,
            "EC" => ec(crv, x, y)?,
            "OKP" => edwards(crv, x)?,
            _ => return Err(JwkError::KeyType),
        };
        Ok(Jwk {
            key_id: kid.and_then(Node::as_str).map(str::to_owned),
            intended: match alg {
                None => Intended::Unsaid,
                Some(name) => name
                    .as_str()
                    .and_then(|name| name.parse().ok())
                    .map_or(Intended::Other, Intended::For),
            },
            for_signatures: for_signatures(use_, key_ops),
            numbers,
            thumbprint,
        })
    }

    /// `kid`, where it is a string.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The thumbprint, RFC 7638 section 3; `kid`, `alg` and `use` have no part in it.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

/// RFC 7517 sections 4.2 and 4.3: where `use` and `key_ops` are there, both must agree to it.
fn for_signatures(use_: Option<Node<'_>>, key_ops: Option<Node<'_>>) -> bool {
    let is = |value: Node<'_>, wanted| value.as_str() == Some(wanted);
    let allowed_use = use_.is_none_or(|value| is(value, "sig"));
    let allowed_operation = key_ops.is_none_or(|value| {
        value
            .as_array()
            .is_some_and(|mut operations| operations.any(|operation| is(operation, "verify")))
    });
    allowed_use && allowed_operation
}

/// RFC 7518 section 6.3.1.
fn rsa(n: Option<Node<'_>>, e: Option<Node<'_>>) -> Result<(Numbers, Thumbprint), JwkError> {
    let (n, modulus) = unsigned(n, "n")?;
    let (e, exponent) = unsigned(e, "e")?;
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
    let thumbprint = Thumbprint::of_rsa(e, n);
    Ok((Numbers::Rsa { modulus, exponent }, thumbprint))
}

/// RFC 7518 section 6.2.1: a coordinate has the full length of the curve's field.
fn ec(
    crv: Option<Node<'_>>,
    x: Option<Node<'_>>,
    y: Option<Node<'_>>,
) -> Result<(Numbers, Thumbprint), JwkError> {
    let name = string(crv, "crv")?;
    let curve = Curve::ALL
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or(JwkError::Curve)?;
    let length = curve.coordinate_length();
    let (mut x_octets, mut y_octets) = ([0; SCRATCH], [0; SCRATCH]);
    let (x, x_octets) = coordinate(x, "x", length, &mut x_octets)?;
    let (y, y_octets) = coordinate(y, "y", length, &mut y_octets)?;
    let point = Point::new(x_octets, y_octets).ok_or(JwkError::CoordinateLength)?;
    let thumbprint = Thumbprint::of_ec(name, x, y);
    Ok((Numbers::Ec { curve, point }, thumbprint))
}

/// RFC 8037 section 2.
fn edwards(crv: Option<Node<'_>>, x: Option<Node<'_>>) -> Result<(Numbers, Thumbprint), JwkError> {
    let name = string(crv, "crv")?;
    let curve = EdwardsCurve::ALL
        .into_iter()
        .find(|curve| curve.name() == name)
        .ok_or(JwkError::Curve)?;
    let (text, x) = octets_of_length(x, "x", curve.key_length())?;
    if edwards_point::is_sound(curve, &x) {
        let thumbprint = Thumbprint::of_edwards(name, text);
        Ok((Numbers::Edwards { curve, x }, thumbprint))
    } else {
        Err(JwkError::InvalidKey)
    }
}

/// A Base64urlUInt (RFC 7518 section 2): as few octets as will do, so that one key has one text.
fn unsigned<'v>(
    value: Option<Node<'v>>,
    name: &'static str,
) -> Result<(&'v str, Vec<u8>), JwkError> {
    octets(value, name).and_then(|number| match number.1.first() {
        None | Some(0) => Err(JwkError::Member(name)),
        Some(_) => Ok(number),
    })
}

fn octets_of_length<'v>(
    value: Option<Node<'v>>,
    name: &'static str,
    length: usize,
) -> Result<(&'v str, Vec<u8>), JwkError> {
    octets(value, name).and_then(|number| match number.1.len() == length {
        true => Ok(number),
        false => Err(JwkError::CoordinateLength),
    })
}

/// Room for the longest coordinate, and for what decoding asks for beyond it.
const SCRATCH: usize = 72;

/// As [`octets_of_length`], without memory of its own.
fn coordinate<'v, 'b>(
    value: Option<Node<'v>>,
    name: &'static str,
    length: usize,
    buffer: &'b mut [u8; SCRATCH],
) -> Result<(&'v str, &'b [u8]), JwkError> {
    let text = string(value, name)?;
    match base64url::decode_into(text, buffer) {
        Some(octets) if octets.len() == length => Ok((text, octets)),
        // Not base64url, or not of this length: told apart where it takes no time from anybody.
        _ => octets_of_length(value, name, length).and(Err(JwkError::CoordinateLength)),
    }
}

/// The text of a number, which is the only one that its octets have, and the octets.
fn octets<'v>(value: Option<Node<'v>>, name: &'static str) -> Result<(&'v str, Vec<u8>), JwkError> {
    let text = string(value, name)?;
    let octets = base64url::decode(text).ok_or(JwkError::Member(name))?;
    Ok((text, octets))
}

fn string<'v>(value: Option<Node<'v>>, name: &'static str) -> Result<&'v str, JwkError> {
    value.and_then(Node::as_str).ok_or(JwkError::Member(name))
}

/// Bits of a number without leading zero octets: bits and not bytes, or 2041 would pass for 2048.
fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |octet| octet.leading_zeros());
    (number.len() * 8).saturating_sub(leading as usize)
}

/// Why a JWK gives no key to verify with. Holds nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// Not a JSON object, one that holds a member name twice, or one with a number or a text that
    /// cannot be read.
    #[error("not a JSON object")]
    NotAnObject,
    /// A required member is absent, of a wrong type, or not in its canonical form.
    #[error("missing or invalid member '{0}'")]
    Member(&'static str),
    /// `kty` is none of EC, RSA, OKP.
    #[error("unsupported key type")]
    KeyType,
    /// `crv` is not supported for this `kty`.
    #[error("unsupported curve")]
    Curve,
    /// A coordinate does not have the length of its curve (RFC 7518 section 6.2.1.2).
    #[error("a coordinate is not of full length")]
    CoordinateLength,
    /// The EC point is not on its curve, the Edwards point is of small order or not in its
    /// canonical form, or the backend refuses the key.
    #[error("not a valid public key")]
    InvalidKey,
    /// The RSA modulus has under 2048 or over 8192 bits.
    #[error("RSA modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    /// The RSA exponent is even, 1, or 2^33 or more.
    #[error("RSA exponent is not acceptable")]
    Exponent,
    /// `use` is not `sig`, or `key_ops` does not hold `verify`.
    #[error("not a key for signatures")]
    NotForSignatures,
    /// `alg` does not fit the key, or no allowed algorithm does.
    #[error("not a key for an allowed algorithm")]
    Algorithm,
    /// Without a `kid`, no token can name the key.
    #[error("a key without 'kid'")]
    MissingKeyId,
    /// The set has more entries than are looked at.
    #[error("too many keys")]
    TooMany,
}
