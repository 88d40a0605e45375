//! Why keys could not be had.

use std::time::Duration;

use a0_http::TransportError;

/// Which of the two documents a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Document {
    /// The issuer's metadata.
    Metadata,
    /// Its JWK Set.
    Jwks,
}

/// A document could not be had, or is not usable. It says nothing about any token: whoever asked
/// may try again.
///
/// The text holds nothing that a server said; the transport's error is in `source()`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
#[non_exhaustive]
pub struct FetchError {
    /// The document.
    pub document: Document,
    /// What is wrong.
    #[source]
    pub failure: FetchFailure,
    /// How long the server asked to be left alone: `Retry-After` of a 429 or a 503, in seconds.
    pub retry_after: Option<Duration>,
}

/// What an issuer publishes cannot be had now, and there is nothing in memory that may be served.
///
/// Its text is the [`FetchError`]'s.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct Unavailable {
    /// The last failure.
    #[source]
    pub error: FetchError,
    /// How soon asking again may be of use.
    pub retry_in: Duration,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchFailure {
    /// There was no complete answer.
    #[error("there was no complete answer")]
    Transport(#[source] TransportError),
    /// A status other than 200, redirects included.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// Larger than [`MAX_BODY`](crate::MAX_BODY).
    #[error("the answer is larger than 1 MiB")]
    TooLarge,
    /// Not one JSON object, or one with a member name twice.
    #[error("the answer is not one JSON object")]
    NotAnObject,
    /// Metadata without `issuer`.
    #[error("the metadata has no 'issuer'")]
    IssuerMissing,
    /// Metadata of another issuer than the one that was asked.
    #[error("the metadata is another issuer's")]
    IssuerMismatch,
    /// Metadata without `jwks_uri`.
    #[error("the metadata has no 'jwks_uri'")]
    JwksUriMissing,
    /// `jwks_uri` is not an https URL of the issuer's origin or of a trusted one.
    #[error(
        "the 'jwks_uri' is not of the issuer's own origin; \
         if it is meant to be elsewhere, name that origin as a trusted endpoint"
    )]
    JwksUriNotAllowed,
    /// A JWK Set without an array `keys`, or without one usable key.
    #[error("the key set has no usable key")]
    NoUsableKey,
    /// The fetch ended without a result: its thread or task panicked, or its runtime was dropped.
    #[error(
        "the fetch was abandoned; if that repeats, see whether the HTTP client or the cache adapter panics"
    )]
    Abandoned,
    /// The fetch that another call carries did not end within
    /// [`CachePolicy::max_wait`](crate::CachePolicy::max_wait).
    #[error("the fetch under way did not end within max_wait")]
    NotInTime,
    /// Too many fetches are under way, or too many callers wait for this one.
    #[error("too many fetches are under way, or too many callers wait for this one")]
    Overloaded,
}

/// Why there is no token endpoint to send credentials to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenEndpointError {
    /// The metadata cannot be had.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It names no token endpoint.
    #[error("Token endpoint missing in OIDC metadata")]
    Missing,
    /// It names one that is not an https URL of the issuer's origin or of a trusted one.
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
