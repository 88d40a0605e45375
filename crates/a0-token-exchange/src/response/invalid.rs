//! Why a response is unusable.

/// Why a response that is not an error response is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidResponse {
    /// `access_token` is absent, empty or not a string (RFC 6749 section 5.1).
    #[error("Missing or invalid access_token in response.")]
    AccessToken,
    /// `expires_in` is neither a number, nor a string of digits, nor null.
    #[error("expires_in is not an integer.")]
    ExpiresIn,
    /// `expires_in` is less than zero.
    #[error("expires_in cannot be negative.")]
    NegativeExpiresIn,
    /// Another member is neither a string nor null.
    #[error("{0} is not a string")]
    Member(&'static str),
    /// The request had a DPoP proof, and the response's `token_type` is not `DPoP`: the token is
    /// not bound to the proof's key (RFC 9449 section 5).
    #[error("the token is not bound to the key of the DPoP proof: its token_type is not DPoP")]
    NotBound,
    /// The response is a redirect. It is never followed, because the credentials would go with it.
    #[error("the token endpoint answered with a redirect, status {0}")]
    Redirect(u16),
    /// The body is larger than [`MAX_BODY_SIZE`](crate::MAX_BODY_SIZE) or the HTTP client's own
    /// limit.
    #[error("the answer of the token endpoint is too large")]
    TooLarge,
}
