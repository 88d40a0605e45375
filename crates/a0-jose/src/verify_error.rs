//! Why no key verifies a token.

use crate::algorithm::Algorithm;
use crate::header::HeaderError;
use crate::jwk::JwkError;

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
