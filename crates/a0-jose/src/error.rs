//! Why a key cannot be used, and why no key verifies a token.

use crate::algorithm::Algorithm;
use crate::header::HeaderError;

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
    /// What is wrong with the first key of this `kid`.
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
