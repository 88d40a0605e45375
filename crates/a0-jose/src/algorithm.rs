//! The algorithm table. No other code compares `alg` texts.

use std::fmt;
use std::str::FromStr;

/// An asymmetric signature algorithm of RFC 7518 section 3.1 or RFC 8037 section 3.1.
///
/// `none` and the HMAC algorithms have no variant, so no allow-list can contain them.
///
/// ```
/// use a0_jose::{Algorithm, UnsupportedAlgorithm};
///
/// assert_eq!("ES256".parse(), Ok(Algorithm::Es256));
/// assert_eq!("HS256".parse::<Algorithm>(), Err(UnsupportedAlgorithm::Symmetric("HS256")));
/// assert_eq!("es256".parse::<Algorithm>(), Err(UnsupportedAlgorithm::Unknown));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 using SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 using SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 using SHA-512.
    Rs512,
    /// RSASSA-PSS using SHA-256.
    Ps256,
    /// RSASSA-PSS using SHA-384.
    Ps384,
    /// RSASSA-PSS using SHA-512.
    Ps512,
    /// ECDSA using P-256 and SHA-256.
    Es256,
    /// ECDSA using P-384 and SHA-384.
    Es384,
    /// ECDSA using P-521 and SHA-512.
    Es512,
    /// EdDSA over Ed25519 or Ed448.
    EdDsa,
}

/// The signature scheme of an algorithm, with its hash and curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    RsaPkcs1(Hash),
    RsaPss(Hash),
    Ecdsa(Curve, Hash),
    Edwards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// A Weierstrass curve of RFC 7518 section 6.2.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// An Edwards curve of RFC 8037 section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdwardsCurve {
    Ed25519,
    Ed448,
}

const TABLE: [(Algorithm, &str, Family); Algorithm::COUNT] = {
    use Algorithm::*;
    [
        (Rs256, "RS256", Family::RsaPkcs1(Hash::Sha256)),
        (Rs384, "RS384", Family::RsaPkcs1(Hash::Sha384)),
        (Rs512, "RS512", Family::RsaPkcs1(Hash::Sha512)),
        (Ps256, "PS256", Family::RsaPss(Hash::Sha256)),
        (Ps384, "PS384", Family::RsaPss(Hash::Sha384)),
        (Ps512, "PS512", Family::RsaPss(Hash::Sha512)),
        (Es256, "ES256", Family::Ecdsa(Curve::P256, Hash::Sha256)),
        (Es384, "ES384", Family::Ecdsa(Curve::P384, Hash::Sha384)),
        (Es512, "ES512", Family::Ecdsa(Curve::P521, Hash::Sha512)),
        (EdDsa, "EdDSA", Family::Edwards),
    ]
};

const SYMMETRIC: [&str; 3] = ["HS256", "HS384", "HS512"];

impl Algorithm {
    /// The number of algorithms.
    pub const COUNT: usize = 10;

    /// Returns every algorithm, in the order of the variants.
    pub fn all() -> impl Iterator<Item = Algorithm> {
        TABLE.iter().map(|(algorithm, ..)| *algorithm)
    }

    /// The registered name, as it appears in `alg`.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub(crate) fn family(self) -> Family {
        self.row().1
    }

    fn row(self) -> (&'static str, Family) {
        TABLE
            .iter()
            .find(|(algorithm, ..)| *algorithm == self)
            .map_or(("", Family::Edwards), |(_, name, family)| (name, *family))
    }
}

impl Family {
    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Family::RsaPkcs1(_) | Family::RsaPss(_))
    }
}

impl Curve {
    pub(crate) const ALL: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

    /// The registered name, as it appears in `crv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// The octets of a coordinate, and of R and S in a signature (RFC 7518 sections 3.4 and
    /// 6.2.1.2).
    pub(crate) fn coordinate_length(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Curve::P256 => Algorithm::Es256,
            Curve::P384 => Algorithm::Es384,
            Curve::P521 => Algorithm::Es512,
        }
    }
}

impl EdwardsCurve {
    pub(crate) const ALL: [EdwardsCurve; 2] = [EdwardsCurve::Ed25519, EdwardsCurve::Ed448];

    /// The registered name, as it appears in `crv`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            EdwardsCurve::Ed25519 => "Ed25519",
            EdwardsCurve::Ed448 => "Ed448",
        }
    }

    /// The octets of a public key (RFC 8032 sections 5.1.5 and 5.2.5).
    pub(crate) fn key_length(self) -> usize {
        match self {
            EdwardsCurve::Ed25519 => 32,
            EdwardsCurve::Ed448 => 57,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The error for a text that is not the name of an [`Algorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedAlgorithm {
    /// HS256, HS384 or HS512. The name comes from a table, not from the input.
    #[error(
        "Symmetric algorithm '{0}' is not supported. \
         Only asymmetric algorithms (e.g., RS256) are allowed."
    )]
    Symmetric(&'static str),
    /// Any other text, including `none`.
    #[error("Algorithm is not supported")]
    Unknown,
}

impl FromStr for Algorithm {
    type Err = UnsupportedAlgorithm;

    /// Compares case-sensitively (RFC 7515 section 4.1.1).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if let Some((algorithm, ..)) = TABLE.iter().find(|row| row.1 == name) {
            return Ok(*algorithm);
        }
        Err(SYMMETRIC
            .iter()
            .find(|symmetric| **symmetric == name)
            .map_or(UnsupportedAlgorithm::Unknown, |symmetric| {
                UnsupportedAlgorithm::Symmetric(symmetric)
            }))
    }
}
