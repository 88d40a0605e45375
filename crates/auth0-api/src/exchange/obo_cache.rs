//! The cache of tokens that were exchanged on behalf of a user.

use a0_discovery::Issuer;
use a0_http::{TransportError, TransportErrorKind};
use a0_jose::{NumericDate, sha256_base64url, unverified_payload};
use a0_token_exchange::{ExchangeError, IssuedToken, OnBehalfOf};

use crate::error::api_error::ApiError;
use crate::error::{Error, ErrorKind};

use super::single_flight::{SingleFlight, Stranded};

/// Exchanged tokens, until shortly before they expire.
pub(crate) type OboCache = SingleFlight<IssuedToken, Error>;

/// A cached token is not returned during its last seconds: the downstream API needs some time too.
const OBO_MARGIN_SECONDS: f64 = 10.0;

/// The cache entry of one request.
pub(crate) struct OboEntry<'f> {
    pub(crate) cache: &'f OboCache,
    pub(crate) key: String,
    subject_expires_at: NumericDate,
    now: NumericDate,
}

impl<'f> OboEntry<'f> {
    /// `None` if the access token does not say when it expires.
    pub(super) fn new(
        cache: &'f OboCache,
        issuer: &Issuer,
        request: &OnBehalfOf<'_>,
        max_token_size: usize,
        now: NumericDate,
    ) -> Option<Self> {
        Some(OboEntry {
            cache,
            key: entry_key(issuer, request),
            subject_expires_at: unverified_expiry(request.access_token(), max_token_size)?,
            now,
        })
    }

    /// Returns a check whether a cached token may still be returned.
    pub(crate) fn is_usable(&self) -> impl Fn(&IssuedToken) -> bool + use<> {
        let (now, subject_expires_at) = (self.now, self.subject_expires_at);
        move |token| {
            !token.is_expiry_assumed()
                && now < subject_expires_at
                && now.as_seconds() + OBO_MARGIN_SECONDS < token.expires_at() as f64
        }
    }
}

/// Hashes everything that an exchange depends on. Each part is hashed by itself first, so that the parts
/// cannot be confused with each other. The key contains no token.
fn entry_key(issuer: &Issuer, request: &OnBehalfOf<'_>) -> String {
    let parts = [
        issuer.as_str(),
        request.access_token(),
        request.requested_audience(),
        request.requested_scope(),
    ];
    sha256_base64url(parts.map(sha256_base64url).concat())
}

/// Reads `exp` without verifying the token.
fn unverified_expiry(token: &str, max_token_size: usize) -> Option<NumericDate> {
    let claims = unverified_payload(token, max_token_size).ok()?;
    NumericDate::from_json(claims.get("exp")?)
}

impl From<Stranded> for Error {
    fn from(stranded: Stranded) -> Self {
        let kind = match stranded {
            Stranded::WaitedTooLong => TransportErrorKind::Timeout,
            Stranded::Abandoned => TransportErrorKind::Other,
        };
        let error = ExchangeError::Transport(TransportError::new(kind, stranded));
        Error::without_challenges(ErrorKind::Api(ApiError::Exchange(error)))
    }
}
