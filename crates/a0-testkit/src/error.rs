use crate::Algorithm;

/// Why something could not be made.
///
/// A mistake in the caller's set-up or a failure of OpenSSL; never the outcome of a
/// [`Fault`](crate::Fault), which shows as an HTTP answer or a [`std::io::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// OpenSSL refused or failed.
    #[error("OpenSSL failed")]
    Crypto(#[from] openssl::error::ErrorStack),
    /// The tenant holds no key for this algorithm, and none was given.
    #[error("no key for {0}: give one with `signed_with`, or publish one")]
    NoKey(Algorithm),
    /// The key is of another type, or on another curve, than the algorithm needs.
    #[error("this key cannot sign with {0}")]
    KeyMismatch(Algorithm),
    /// Keys of this kind are not supported.
    #[error("unsupported kind of key")]
    UnsupportedKey,
    /// The JSON is not a JWK of type `EC`, `RSA`, `OKP` or `oct` with all its required members.
    #[error("not a JWK that has a thumbprint: {0} is missing or not a string")]
    Jwk(&'static str),
    /// The text is not `host` or `host:port`.
    #[error("not a domain of the form host or host:port")]
    Domain,
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
