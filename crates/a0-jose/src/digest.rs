//! SHA-256 digests, their comparison in constant time, and JWK thumbprints (RFC 7638).

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::base64url;

/// Returns the SHA-256 of `input`, as 32 octets.
///
/// ```
/// assert_eq!(a0_jose::sha256(b"")[..4], [0xe3, 0xb0, 0xc4, 0x42]);
/// ```
pub fn sha256(input: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(input).into()
}

/// Returns the SHA-256 of `input` as base64url. For an access token this is the `ath` of a DPoP
/// proof (RFC 9449 section 4.2).
///
/// ```
/// let ath = a0_jose::sha256_base64url("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
/// assert_eq!(ath, "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
/// ```
pub fn sha256_base64url(input: impl AsRef<[u8]>) -> String {
    base64url::encode(sha256(input))
}

/// Returns whether `text` is the base64url form of `digest`. The time taken does not reveal where
/// they differ.
///
/// ```
/// use a0_jose::{is_digest, sha256, sha256_base64url};
///
/// assert!(is_digest(&sha256_base64url("a token"), &sha256("a token")));
/// assert!(!is_digest(&sha256_base64url("another"), &sha256("a token")));
/// ```
pub fn is_digest(text: &str, digest: &[u8; 32]) -> bool {
    let mut buffer = [0; 43];
    base64url::encode_into(digest, &mut buffer)
        .is_some_and(|expected| constant_time_eq(text.as_bytes(), expected))
}

/// Returns whether two octet strings are equal. The time taken reveals their lengths, but not where
/// they differ.
///
/// ```
/// assert!(a0_jose::constant_time_eq(b"abc", b"abc"));
/// assert!(!a0_jose::constant_time_eq(b"abc", b"abcd"));
/// ```
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && openssl::memcmp::eq(left, right)
}

/// The SHA-256 thumbprint of a public key, RFC 7638 section 3. In a token it is `cnf.jkt`.
///
/// Two thumbprints are compared in constant time. The text form is base64url.
///
/// ```
/// use a0_jose::{Jwk, json};
///
/// let key = json::parse_object(br#"{"kty":"OKP","crv":"Ed25519",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// let thumbprint = Jwk::from_object(&key)?.thumbprint();
/// assert_eq!(thumbprint.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// assert_eq!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse(), Ok(thumbprint));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Hashes an RSA key. `e` and `n` have no leading zeros.
    pub(crate) fn rsa(e: &[u8], n: &[u8]) -> Self {
        use Piece::{Octets, Text};
        Thumbprint::hash_pieces(&[
            Text(r#"{"e":""#),
            Octets(e),
            Text(r#"","kty":"RSA","n":""#),
            Octets(n),
            Text(r#""}"#),
        ])
    }

    /// Hashes a key on a NIST curve. The coordinates have their full length.
    pub(crate) fn ec(crv: &str, x: &[u8], y: &[u8]) -> Self {
        use Piece::{Octets, Text};
        Thumbprint::hash_pieces(&[
            Text(r#"{"crv":""#),
            Text(crv),
            Text(r#"","kty":"EC","x":""#),
            Octets(x),
            Text(r#"","y":""#),
            Octets(y),
            Text(r#""}"#),
        ])
    }

    /// Hashes a key on an Edwards curve.
    pub(crate) fn edwards(crv: &str, x: &[u8]) -> Self {
        use Piece::{Octets, Text};
        Thumbprint::hash_pieces(&[
            Text(r#"{"crv":""#),
            Text(crv),
            Text(r#"","kty":"OKP","x":""#),
            Octets(x),
            Text(r#""}"#),
        ])
    }

    /// Hashes the required members, in order and without white space (RFC 7638 section 3.2). Curve
    /// names come from a table and numbers are base64url, so nothing needs escaping.
    fn hash_pieces(pieces: &[Piece<'_>]) -> Self {
        // The key of a proof is on a NIST curve by default. Its text fits, and needs no allocation.
        let mut buffer = [0; TEXT_BUFFER];
        Thumbprint(match write_pieces(pieces, &mut buffer) {
            Some(text) => sha256(text),
            None => sha256(pieces.iter().map(Piece::to_text).collect::<String>()),
        })
    }

    /// The 32 octets of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A piece of the text that a thumbprint hashes.
enum Piece<'p> {
    Text(&'p str),
    /// Octets, which are written as base64url.
    Octets(&'p [u8]),
}

impl<'p> Piece<'p> {
    fn to_text(&self) -> Cow<'p, str> {
        match *self {
            Piece::Text(text) => text.into(),
            Piece::Octets(octets) => base64url::encode(octets).into(),
        }
    }
}

/// The text of a key on P-521 takes 216 octets.
const TEXT_BUFFER: usize = 256;

/// Writes the pieces into `buffer` and returns the text. Returns `None` where the buffer is too small.
fn write_pieces<'b>(pieces: &[Piece<'_>], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut end = 0_usize;
    for piece in pieces {
        let rest = buffer.get_mut(end..)?;
        let length = match piece {
            Piece::Text(text) => {
                rest.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
                text.len()
            }
            Piece::Octets(octets) => base64url::encode_into(octets, rest)?.len(),
        };
        end = end.saturating_add(length);
    }
    buffer.get(..end)
}

impl PartialEq for Thumbprint {
    fn eq(&self, other: &Self) -> bool {
        constant_time_eq(&self.0, &other.0)
    }
}

impl Eq for Thumbprint {}

impl Hash for Thumbprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base64url::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Thumbprint({self})")
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidThumbprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The decoder needs one octet more than it fills.
        let mut buffer = [0; 33];
        base64url::decode_into(text, &mut buffer)
            .and_then(|octets| octets.try_into().ok())
            .map(Thumbprint)
            .ok_or(InvalidThumbprint)
    }
}

/// The error for a text that is not the base64url form of 32 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the base64url form of a SHA-256 thumbprint")]
#[non_exhaustive]
pub struct InvalidThumbprint;
