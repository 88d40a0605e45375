//! One fetch: the requests, for the metadata and for the JWK Set that it points to, and the checks on the
//! documents.

use std::sync::Arc;
use std::time::Duration;

use a0_http::{Conversation, Step, TransportError};
use a0_jose::{JwkSet, NumericDate};
use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, header};
use serde_json::Value;

use super::documents::{DocumentText, IssuerKeys, KeySource, Lease, Metadata, Stamp};
use super::rules::{FetchRules, MAX_BODY_SIZE};
use crate::error::{Document, FetchError, FetchFailure};
use crate::https_url::HttpsUrl;
use crate::issuer::Issuer;
use crate::skipped_keys::SkippedKeys;

/// The result of a fetch: the keys, and the documents they were read from.
#[derive(Debug)]
pub struct FetchedKeys {
    pub(crate) keys: IssuerKeys,
    /// `None` if the fetch reused metadata.
    pub(crate) metadata: Option<DocumentText>,
    pub(crate) jwks: DocumentText,
}

impl FetchedKeys {
    /// Returns the keys.
    pub fn into_keys(self) -> IssuerKeys {
        self.keys
    }
}

/// The conversation that fetches an issuer's keys. Begin with [`start`](FetchKeys::start), then
/// pass the step to [`a0_http::drive`] or resume it yourself.
#[derive(Debug)]
pub struct FetchKeys {
    rules: Arc<FetchRules>,
    now: NumericDate,
    next: Next,
}

/// The document in the next response.
#[derive(Debug)]
enum Next {
    Metadata(Issuer),
    /// The keys. The text of the metadata is present if this conversation fetched it.
    Keys(Arc<KeySource>, Option<DocumentText>),
}

impl FetchKeys {
    /// Requests the issuer's metadata, then its keys. Their age counts from `now`.
    ///
    /// # Errors
    ///
    /// None in practice: the metadata URL of an [`Issuer`] is always valid.
    pub fn start(
        issuer: Issuer,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        let request = get_metadata(&issuer, &rules)?;
        let next = Next::Metadata(issuer);
        Ok(Step::Fetch(request, FetchKeys { rules, now, next }))
    }

    /// Requests the keys alone, from the `jwks_uri` in metadata that was fetched before.
    pub(crate) fn start_with_metadata(
        source: &Arc<KeySource>,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        FetchKeys::request_keys(rules, now, Arc::clone(source), None)
    }

    fn request_keys(
        rules: Arc<FetchRules>,
        now: NumericDate,
        source: Arc<KeySource>,
        metadata: Option<DocumentText>,
    ) -> Result<Step<Self>, FetchError> {
        let request = get(source.jwks_uri.as_str())
            .map_err(|_| jwks_error(&source, FetchFailure::JwksUriNotAllowed))?;
        let next = Next::Keys(source, metadata);
        Ok(Step::Fetch(request, FetchKeys { rules, now, next }))
    }
}

impl Conversation for FetchKeys {
    type Output = FetchedKeys;
    type Error = FetchError;

    fn resume(self, result: ExchangeResult) -> Result<Step<Self>, FetchError> {
        let FetchKeys { rules, now, next } = self;
        match next {
            Next::Metadata(issuer) => {
                let url = rules.metadata_url_of(&issuer);
                let fail = |failure| FetchError::at(Document::Metadata, url.clone(), failure);
                let text = read_document(result, url.clone(), now, fail)?;
                let source = rules.read_metadata(&issuer, &text).map_err(fail)?;
                FetchKeys::request_keys(rules, now, Arc::new(source), Some(text))
            }
            Next::Keys(source, metadata) => {
                let url = source.jwks_uri.to_string();
                let fail = |failure| jwks_error(&source, failure);
                let jwks = read_document(result, url, now, fail)?;
                let keys = rules.read_keys(Arc::clone(&source), &jwks).map_err(fail)?;
                Ok(Step::Done(FetchedKeys {
                    keys,
                    metadata,
                    jwks,
                }))
            }
        }
    }
}

impl FetchRules {
    /// The address of the issuer's metadata.
    pub(crate) fn metadata_url_of(&self, issuer: &Issuer) -> String {
        match self.metadata_urls.get(issuer) {
            Some(url) => url.as_str().to_owned(),
            None => issuer.metadata_url(),
        }
    }

    /// Checks metadata, whether it was fetched or read from the second level.
    pub(crate) fn read_metadata(
        &self,
        issuer: &Issuer,
        text: &DocumentText,
    ) -> Result<KeySource, FetchFailure> {
        let metadata = Metadata::parse(&text.body, issuer)?;
        let jwks_uri = match self.jwks_urls.get(issuer) {
            Some(HttpsUrl(url)) => url.clone(),
            None => metadata.jwks_uri(issuer, &self.trusted_endpoints)?,
        };
        Ok(KeySource {
            metadata,
            jwks_uri,
            stamp: text.stamp,
        })
    }

    /// Checks a key set, whether it was fetched or read from the second level.
    pub(crate) fn read_keys(
        &self,
        source: Arc<KeySource>,
        text: &DocumentText,
    ) -> Result<IssuerKeys, FetchFailure> {
        // Metadata has the issuer's name, or it would not have been accepted.
        let issuer = source.metadata.get("issuer").and_then(Value::as_str);
        let keys = self.read_key_set(issuer, &text.body)?;
        Ok(IssuerKeys {
            lease: Lease::new([source.stamp, text.stamp]),
            source: Some(source),
            keys,
            stamp: text.stamp,
        })
    }

    pub(super) fn read_key_set(
        &self,
        issuer: Option<&str>,
        body: &[u8],
    ) -> Result<JwkSet, FetchFailure> {
        let own = issuer.and_then(|issuer| self.issuer_algorithms.get(issuer));
        let algorithms = own.unwrap_or(&self.algorithms);
        let keys = JwkSet::parse_with_backend(body, algorithms, self.backend)
            .map_err(|_| FetchFailure::NotAKeySet)?;
        if keys.is_empty() {
            return Err(match SkippedKeys::of(&keys) {
                none if none.total() == 0 => FetchFailure::EmptyKeySet,
                skipped => FetchFailure::NoUsableKey(skipped),
            });
        }
        Ok(keys)
    }
}

pub(super) type ExchangeResult = Result<Response<Vec<u8>>, TransportError>;

/// Accepts a 200 (RFC 8414 section 3.2). Anything else is a temporary failure.
pub(super) fn read_document(
    result: ExchangeResult,
    url: String,
    now: NumericDate,
    fail: impl Fn(FetchFailure) -> FetchError,
) -> Result<DocumentText, FetchError> {
    let response = result.map_err(|error| fail(FetchFailure::Transport(error)))?;
    if response.status() != StatusCode::OK {
        let error = fail(FetchFailure::Status(response.status().as_u16()));
        return Err(error.with_retry_after(retry_after(&response, now)));
    }
    // The built-in clients enforce this limit themselves; other clients may not.
    if response.body().len() > MAX_BODY_SIZE {
        return Err(fail(FetchFailure::TooLarge));
    }
    let stamp = Stamp {
        requested_at: now,
        max_age: max_age(response.headers()),
    };
    let body = response.into_body();
    Ok(DocumentText { url, body, stamp })
}

/// Names the origin of the `jwks_uri`, which is allowed. Its path is the server's text.
fn jwks_error(source: &KeySource, failure: FetchFailure) -> FetchError {
    let origin = source.jwks_uri.origin().ascii_serialization();
    FetchError::at(Document::Jwks, origin, failure)
}

pub(super) fn get_metadata(
    issuer: &Issuer,
    rules: &FetchRules,
) -> Result<Request<Vec<u8>>, FetchError> {
    let url = rules.metadata_url_of(issuer);
    get(&url).map_err(|_| FetchError::at(Document::Metadata, url, FetchFailure::IssuerMismatch))
}

fn get(url: &str) -> Result<Request<Vec<u8>>, http::Error> {
    Request::get(url)
        .header(header::ACCEPT, "application/json")
        .body(Vec::new())
}

/// Returns the first `max-age` of a response's `Cache-Control` (RFC 9111 section 5.2.2.1), or `None`
/// if it is absent, negative or not a number. A number above `u64::MAX` counts as `u64::MAX`.
///
/// ```
/// use std::time::Duration;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("cache-control", http::HeaderValue::from_static("public, Max-Age=15, max-age=9"));
/// assert_eq!(a0_discovery::max_age(&headers), Some(Duration::from_secs(15)));
/// ```
pub fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let value = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .map(|(_, value)| value.trim())?;
    if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

/// How long a 429 or a 503 asks clients to wait, by `Retry-After` (RFC 9110 section 10.2.3).
/// The field is a number of seconds or a date; a date counts from `now` and gives zero if it is
/// past. Returns `None` for any other status, or if the field is absent or malformed.
fn retry_after<B>(response: &Response<B>, now: NumericDate) -> Option<Duration> {
    let is_busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let field = response.headers().get(RETRY_AFTER).filter(|_| is_busy)?;
    let text = field.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = NumericDate::from(httpdate::parse_http_date(text).ok()?);
    let seconds = date.as_seconds() - now.as_seconds();
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}
