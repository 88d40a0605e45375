//! The errors for compact tokens, claims and public keys.

use std::fmt;

use crate::algorithm::{Algorithm, UnsupportedAlgorithm};

/// A segment of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first segment.
    Header,
    /// The second segment.
    Payload,
    /// The third segment. It may be empty, which is a signature of no octets.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Header => "header",
            Part::Payload => "payload",
            Part::Signature => "signature",
        })
    }
}

/// The error for a text that is not a compact JWS of two JSON objects. It holds no part of the
/// text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The token is longer than the caller allows.
    #[error("Failed to parse token: larger than {max_size} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        max_size: usize,
    },
    /// The text does not have three segments. It may be an opaque token, or a JWE, which has five
    /// (RFC 7516 section 7.1).
    #[error("Failed to parse token: not a JWT; did the client request an audience?")]
    SegmentCount,
    /// A segment is not canonical base64url (RFC 7515 section 2).
    #[error("Failed to parse token: the {0} is not base64url")]
    Encoding(Part),
    /// A header or a payload is not one UTF-8 JSON object (RFC 7515 section 5.2, RFC 7519 section
    /// 7.2).
    #[error("Failed to parse token: the {0} is not one JSON object")]
    NotAnObject(Part),
    /// A header or a payload has a duplicate member name (RFC 7515 section 4, RFC 7519 section 4).
    #[error("Failed to parse token: the {0} holds a member name twice")]
    DuplicateMember(Part),
}

/// The error for a header that was refused. It holds no part of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// `alg` is absent or not a string.
    #[error("Token header has no 'alg'")]
    MissingAlgorithm,
    /// `alg` is an HMAC algorithm. The name comes from a table.
    #[error("{}", UnsupportedAlgorithm::Symmetric(.0))]
    Symmetric(&'static str),
    /// `alg` is not in the allow-list. `none` never is.
    #[error("Algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// `crit` is present. Its value does not matter.
    #[error("Token header has a 'crit' parameter, which is not supported")]
    Critical,
    /// `b64` is present. Its value does not matter.
    #[error("Token header has a 'b64' parameter, which is not supported")]
    UnencodedPayload,
    /// `cty` is `JWT`, which means a nested token, or not a string.
    #[error("Nested tokens are not supported")]
    NestedToken,
    /// `typ` is not allowed, not a string, or absent where it is required.
    #[error("Unexpected JWT 'typ'")]
    Type,
    /// `kid` is absent or not a string, but is needed to find the key.
    #[error("Token header missing 'kid' claim")]
    MissingKeyId,
}

/// The error for a claim of a wrong type. It does not hold the claim's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Invalid '{claim}' claim: not {expected}")]
#[non_exhaustive]
pub struct ClaimError {
    /// The claim's name.
    pub claim: &'static str,
    /// The expected type, in words.
    pub expected: &'static str,
}

impl ClaimError {
    /// Creates an error for the claim of this name and the expected type, in words.
    pub fn new(claim: &'static str, expected: &'static str) -> Self {
        ClaimError { claim, expected }
    }
}

/// The error for claims that were refused. It does not hold their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimValidationError {
    /// `aud` is absent, of a wrong type, or contains no allowed audience.
    #[error("Audience mismatch")]
    Audience,
    /// `exp` is absent.
    #[error("Token is expired: missing 'exp' claim")]
    MissingExpiry,
    /// `exp`, plus the leeway, is now or in the past.
    #[error("Token is expired")]
    Expired,
    /// `iat` is absent.
    #[error("Missing 'iat' claim in token")]
    MissingIssuedAt,
    /// `nbf`, minus the leeway, is in the future.
    #[error("Token is not yet valid")]
    NotYetValid,
    /// A claim has a wrong type.
    #[error(transparent)]
    Type(#[from] ClaimError),
    /// A required claim is absent.
    #[error("Missing required claim: {0}")]
    MissingClaim(String),
}

/// The error for a token that no key verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The header has no usable `kid`.
    #[error(transparent)]
    Header(HeaderError),
    /// No key has this `kid`.
    #[error("No matching key found in JWKS")]
    NoMatchingKey,
    /// The key with this `kid` is bound to another algorithm, the one given here. If the issuer's
    /// RSA keys have no `alg`, that is the first RSA algorithm in the allow-list: allow only the
    /// one that the issuer uses.
    #[error("No matching key found in JWKS: the key with this 'kid' is for {0}")]
    KeyForOtherAlgorithm(Algorithm),
    /// The only keys with this `kid` were [skipped](crate::JwkSet::skipped). The text is that of
    /// [`NoMatchingKey`](VerifyError::NoMatchingKey), and `source()` says why, for operators.
    #[error("No matching key found in JWKS")]
    UnusableKey(#[source] UnusableKey),
    /// No candidate verifies the signature.
    #[error("Signature verification failed")]
    InvalidSignature,
}

/// Why the key with a token's `kid` cannot be used. It holds neither the `kid` nor a part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key with the token's 'kid' was left out of the key set: {reason}")]
#[non_exhaustive]
pub struct UnusableKey {
    /// The fault of the first key with this `kid`.
    pub reason: JwkError,
}

/// The error for a JWK that cannot be used to verify signatures. It holds no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkError {
    /// The JWK is not a JSON object, has a duplicate member name, or holds a number or a string
    /// that cannot be read.
    #[error("not a JSON object")]
    NotAnObject,
    /// A required member is absent, of a wrong type, or not in its canonical form. An issuer's `n`
    /// and `e` may have leading zeros.
    #[error("missing or invalid member '{0}'")]
    Member(&'static str),
    /// `kty` is not EC, RSA or OKP.
    #[error("unsupported key type")]
    KeyType,
    /// `crv` is not supported for this `kty`.
    #[error("unsupported curve")]
    Curve,
    /// A coordinate does not have the length of its curve (RFC 7518 section 6.2.1.2).
    #[error("a coordinate is not of full length")]
    CoordinateLength,
    /// The EC point is not on its curve, the Edwards point has small order or is not canonical, or
    /// the backend refuses the key.
    #[error("not a valid public key")]
    InvalidKey,
    /// The RSA modulus has fewer than 2048 or more than 8192 bits.
    #[error("RSA modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    /// The RSA exponent is even, 1, or 2^33 or more.
    #[error("RSA exponent is not acceptable")]
    Exponent,
    /// `use` is present and not `sig`, or `key_ops` is present and does not include `verify`. An
    /// empty `key_ops` is one of these in an issuer's key only.
    #[error("not a key for signatures")]
    NotForSignatures,
    /// The key's `alg` does not fit the key or is not allowed, or no allowed algorithm fits.
    #[error("not a key for an allowed algorithm")]
    Algorithm,
    /// The key has no `kid`, so no token can name it.
    #[error("a key without 'kid'")]
    MissingKeyId,
    /// The set has more than [`MAX_KEYS`](crate::MAX_KEYS) entries. The rest was not read.
    #[error("too many keys")]
    TooMany,
}
