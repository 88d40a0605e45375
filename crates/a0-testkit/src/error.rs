use crate::Algorithm;

/// An error in making a key, a token, a proof or a tenant.
///
/// The cause is a mistake in the caller's setup or a failure of OpenSSL. A [`Fault`](crate::Fault)
/// never causes it: faults show as HTTP responses or as [`std::io::Error`]s.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// OpenSSL failed, or refused its input.
    #[error("OpenSSL failed")]
    Crypto(#[from] openssl::error::ErrorStack),
    /// The tenant has no key for this algorithm and none was set, or the algorithm is
    /// [`Algorithm::None`].
    #[error("no key for {0}: set one with `signed_with`, or publish one")]
    NoKey(Algorithm),
    /// The algorithm needs a key of another type or on another curve.
    #[error("this key cannot sign with {0}")]
    KeyMismatch(Algorithm),
    /// The operation does not support keys of this type.
    #[error("unsupported key type")]
    UnsupportedKey,
    /// The JSON is not a JWK of type `EC`, `RSA`, `OKP` or `oct` with all required members.
    #[error("no thumbprint for this JWK: {0} is missing, not a string or unknown")]
    Jwk(&'static str),
    /// The domain is not of the form `host` or `host:port`.
    #[error("the domain is not of the form host or host:port")]
    Domain,
    /// A redirect URI is not one that a client may register.
    #[error(
        "a redirect URI is not https, http on the loopback interface, or of a scheme with a dot"
    )]
    RedirectUri,
    /// The certificate is not that of an authority with this key.
    #[error("the certificate and the key do not make a certificate authority")]
    Authority,
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}
