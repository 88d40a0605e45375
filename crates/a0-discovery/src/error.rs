//! Why keys or metadata are unavailable.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use a0_http::TransportError;

use crate::skipped_keys::SkippedKeys;

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
/// The error's text contains nothing from the server's response. `source()` says where the document
/// was requested, and its own `source()` is the [`FetchFailure`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchError {
    // Each caller that waited for a failed fetch gets a copy.
    attempt: Arc<Attempt>,
    retry_after: Option<Duration>,
}

/// A failed attempt to get a document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", self.prefix(), self.url.as_deref().unwrap_or_default())]
struct Attempt {
    document: Document,
    url: Option<String>,
    #[source]
    failure: FetchFailure,
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
    /// The body was larger than [`MAX_BODY_SIZE`](crate::MAX_BODY_SIZE).
    #[error("the response is larger than 1 MiB")]
    TooLarge,
    /// The metadata is not one JSON object.
    #[error("the response is not one JSON object")]
    NotAnObject,
    /// This member of the metadata, which is needed, has no single value: its name comes twice, or
    /// its value is an object with a name that comes twice, or a number or text that is out of
    /// range.
    #[error("the metadata has '{0}' twice, or its value cannot be read")]
    UnreadableMember(&'static str),
    /// The metadata has no `issuer`.
    #[error("the metadata has no 'issuer'")]
    IssuerMissing,
    /// The `issuer` in the metadata is not the issuer that the metadata was fetched for.
    #[error(
        "the metadata names another 'issuer' than the one it was requested for; \
         if the tenant has several domains, configure the one that its tokens name in 'iss'"
    )]
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
    /// The JWK Set is not a JSON object with an array `keys`.
    #[error("the key set is not a JSON object with an array 'keys'")]
    NotAKeySet,
    /// The JWK Set has no entries.
    #[error("the key set has no entries")]
    EmptyKeySet,
    /// No entry of the JWK Set can be used. `source()` says why.
    #[error("the key set has no usable key")]
    NoUsableKey(#[source] SkippedKeys),
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
    /// The metadata has `token_endpoint` twice, or its value cannot be read.
    #[error("Token endpoint cannot be read in OIDC metadata: it is there twice, or malformed")]
    Unreadable,
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
    /// A failure without a request for the document.
    pub(crate) fn new(document: Document, failure: FetchFailure) -> Self {
        FetchError::of(Attempt {
            document,
            url: None,
            failure,
        })
    }

    /// A failure after a request for the document. `url` contains nothing that a server sent except
    /// an origin that is allowed. Its query is left out: gateways take keys there.
    pub(crate) fn at(document: Document, mut url: String, failure: FetchFailure) -> Self {
        url.truncate(url.find('?').unwrap_or(url.len()));
        FetchError::of(Attempt {
            document,
            url: Some(url),
            failure,
        })
    }

    fn of(attempt: Attempt) -> Self {
        FetchError {
            attempt: Arc::new(attempt),
            retry_after: None,
        }
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// The document that failed.
    pub fn document(&self) -> Document {
        self.attempt.document
    }

    /// The cause of the failure.
    pub fn failure(&self) -> &FetchFailure {
        &self.attempt.failure
    }

    /// Where the document was requested: the URL of the metadata without its query, or the origin of
    /// the `jwks_uri`, whose path is the server's text. `None` if this caller's fetch sent no request for it.
    pub fn url(&self) -> Option<&str> {
        self.attempt.url.as_deref()
    }

    /// How long the server asked clients to wait: the `Retry-After` of a 429 or a 503.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    pub(crate) fn is_abandonment(&self) -> bool {
        *self.failure() == FetchFailure::Abandoned
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (self.document(), self.failure()) {
            (_, FetchFailure::IssuerMissing) => "Discovery metadata missing 'issuer' field",
            (_, FetchFailure::IssuerMismatch) => {
                "Discovery metadata 'issuer' does not match the domain"
            }
            (_, FetchFailure::JwksUriMissing) => "Discovery metadata missing 'jwks_uri' field",
            (Document::Metadata, _) => "Failed to fetch OIDC discovery metadata",
            (Document::Jwks, _) => "Failed to fetch JWKS",
        })
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self.url() {
            Some(_) => Some(&*self.attempt),
            None => Some(self.failure()),
        }
    }
}

impl Attempt {
    fn prefix(&self) -> &'static str {
        match self.document {
            Document::Metadata => "",
            Document::Jwks => "the 'jwks_uri' at ",
        }
    }
}
