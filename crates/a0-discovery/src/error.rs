//! Why keys or metadata are unavailable.

use std::time::Duration;

use a0_http::TransportError;

/// The document that a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Document {
    /// The issuer's metadata.
    Metadata,
    /// Its JWK Set.
    Jwks,
}

/// A document could not be fetched or is not usable. This says nothing about any token, and the
/// caller may try again.
///
/// The error's text contains nothing from the server's response. `source()` has the cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub struct FetchError {
    /// The document that failed.
    pub document: Document,
    /// The cause of the failure.
    #[source]
    pub failure: FetchFailure,
    /// How long the server asked clients to wait: the `Retry-After` of a 429 or a 503.
    pub retry_after: Option<Duration>,
}

/// An issuer's documents cannot be fetched now, and none in memory may be served.
///
/// The error's text is that of the [`FetchError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Unavailable {
    /// The last failure.
    #[source]
    pub error: FetchError,
    /// When to try again, from now.
    pub retry_in: Duration,
}

/// Why a document is not available or not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchFailure {
    /// There was no complete response.
    #[error("there was no complete response")]
    Transport(#[source] TransportError),
    /// The status was not 200. Redirects are not followed.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The body was larger than [`MAX_BODY`](crate::MAX_BODY).
    #[error("the response is larger than 1 MiB")]
    TooLarge,
    /// The body was not one JSON object, or it repeated a member name.
    #[error("the response is not one JSON object")]
    NotAnObject,
    /// The metadata has no `issuer`.
    #[error("the metadata has no 'issuer'")]
    IssuerMissing,
    /// The `issuer` in the metadata is not the issuer that the metadata was fetched for.
    #[error("the metadata belongs to another issuer")]
    IssuerMismatch,
    /// The metadata has no `jwks_uri`.
    #[error("the metadata has no 'jwks_uri'")]
    JwksUriMissing,
    /// `jwks_uri` is not an https URL on the issuer's origin or a trusted one.
    #[error(
        "the 'jwks_uri' is not on the issuer's own origin; \
         if this is intended, add its origin to the trusted endpoints"
    )]
    JwksUriNotAllowed,
    /// The JWK Set has no array `keys`, or no usable key in it.
    #[error("the key set has no usable key")]
    NoUsableKey,
    /// The fetch ended without a result because its thread or task panicked, or its runtime was
    /// dropped.
    #[error(
        "the fetch was abandoned; if this repeats, check whether the HTTP client or the cache adapter panics"
    )]
    Abandoned,
    /// The fetch of another call did not end within
    /// [`CachePolicy::max_wait`](crate::CachePolicy::max_wait).
    #[error("the fetch by another call did not end within max_wait")]
    NotInTime,
    /// Too many fetches are running, or too many callers wait for this one.
    #[error("too many fetches are running, or too many callers wait for this one")]
    Overloaded,
}

/// Why an issuer's token endpoint is unknown or must not receive credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenEndpointError {
    /// The metadata is unavailable.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The metadata has no `token_endpoint`.
    #[error("Token endpoint missing in OIDC metadata")]
    Missing,
    /// `token_endpoint` is not an https URL on the issuer's origin or a trusted one.
    #[error(
        "the token endpoint is not of the domain's own origin; \
         if it is meant to be elsewhere, name that origin as a trusted endpoint"
    )]
    NotAllowed,
}

impl Unavailable {
    pub(crate) fn not_before(mut self, wait: Duration) -> Self {
        self.retry_in = self.retry_in.max(wait);
        self
    }
}

impl FetchError {
    pub(crate) fn new(document: Document, failure: FetchFailure) -> Self {
        FetchError {
            document,
            failure,
            retry_after: None,
        }
    }

    pub(crate) fn is_abandonment(&self) -> bool {
        self.failure == FetchFailure::Abandoned
    }

    fn text(&self) -> &'static str {
        match (self.document, &self.failure) {
            (_, FetchFailure::IssuerMissing) => "Discovery metadata missing 'issuer' field",
            (_, FetchFailure::IssuerMismatch) => "Token issuer does not match the discovery issuer",
            (_, FetchFailure::JwksUriMissing) => "Discovery metadata missing 'jwks_uri' field",
            (Document::Metadata, _) => "Failed to fetch OIDC discovery metadata",
            (Document::Jwks, _) => "Failed to fetch JWKS",
        }
    }
}
