//! The exchanges of one fetch: metadata, then the JWK Set it points to.

use std::sync::Arc;

use a0_http::{Conversation, Step, TransportError};
use a0_jose::NumericDate;
use http::{Request, Response, StatusCode, header};

use super::cache_control::max_age;
use super::documents::{DocumentText, FetchRules, IssuerKeys, KeySource, ServerMetadata};
use super::metadata::Metadata;
use super::retry_after::retry_after;
use crate::age::Stamp;
use crate::error::{Document, FetchError, FetchFailure};
use crate::issuer::Issuer;

/// The largest document that is read: 1 MiB of decoded body. A tenant's are a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// The result of a fetch: the keys, and the documents they were read from.
#[derive(Debug)]
pub struct FetchedKeys {
    pub(crate) keys: IssuerKeys,
    /// `None` if the fetch used metadata that was in hand.
    pub(crate) metadata: Option<DocumentText>,
    pub(crate) jwks: DocumentText,
}

impl FetchedKeys {
    /// The keys.
    pub fn into_keys(self) -> IssuerKeys {
        self.keys
    }
}

/// The conversation that fetches an issuer's keys. Begin with [`start`](FetchKeys::start), then hand the
/// step to [`a0_http::drive`], or resume it by hand.
#[derive(Debug)]
pub struct FetchKeys {
    rules: Arc<FetchRules>,
    now: NumericDate,
    next: Next,
}

/// Which document the next answer holds.
#[derive(Debug)]
enum Next {
    Metadata(Issuer),
    /// The keys. The text of the metadata is there if this conversation fetched it.
    Keys(Arc<KeySource>, Option<DocumentText>),
}

impl FetchKeys {
    /// Requests the issuer's metadata, then its keys. Their age counts from `now`.
    ///
    /// # Errors
    ///
    /// None in practice: an [`Issuer`] always makes a valid URL.
    pub fn start(
        issuer: Issuer,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        let request = get(&issuer.metadata_url(), Document::Metadata)?;
        let next = Next::Metadata(issuer);
        Ok(Step::Fetch(request, FetchKeys { rules, now, next }))
    }

    /// Requests the keys alone, from the place that the metadata in hand names.
    ///
    /// # Errors
    ///
    /// None in practice: the URL was checked with the metadata.
    pub fn start_with(
        in_hand: &IssuerKeys,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        FetchKeys::request_keys(rules, now, Arc::clone(&in_hand.source), None)
    }

    fn request_keys(
        rules: Arc<FetchRules>,
        now: NumericDate,
        source: Arc<KeySource>,
        metadata: Option<DocumentText>,
    ) -> Result<Step<Self>, FetchError> {
        let request = get(source.jwks_uri.as_str(), Document::Jwks)?;
        let next = Next::Keys(source, metadata);
        Ok(Step::Fetch(request, FetchKeys { rules, now, next }))
    }
}

impl Conversation for FetchKeys {
    type Output = FetchedKeys;
    type Error = FetchError;

    fn resume(self, answer: Answer) -> Result<Step<Self>, FetchError> {
        let FetchKeys { rules, now, next } = self;
        match next {
            Next::Metadata(issuer) => {
                let document = Document::Metadata;
                let text = read_answer(answer, document, issuer.metadata_url(), now)?;
                let source = rules.read_metadata(&issuer, &text);
                let source = source.map_err(|failure| FetchError::new(document, failure))?;
                FetchKeys::request_keys(rules, now, Arc::new(source), Some(text))
            }
            Next::Keys(source, metadata) => {
                let document = Document::Jwks;
                let jwks = read_answer(answer, document, source.jwks_uri.to_string(), now)?;
                let keys = rules.read_keys(source, &jwks);
                let keys = keys.map_err(|failure| FetchError::new(document, failure))?;
                Ok(Step::Done(FetchedKeys {
                    keys,
                    metadata,
                    jwks,
                }))
            }
        }
    }
}

/// The conversation that fetches metadata alone. Such metadata may lack `issuer`: no key is taken from
/// it, and its endpoints are checked by their origin.
#[derive(Debug)]
pub(crate) struct FetchMetadata {
    issuer: Issuer,
    now: NumericDate,
}

impl FetchMetadata {
    pub(crate) fn start(issuer: Issuer, now: NumericDate) -> Result<Step<Self>, FetchError> {
        let request = get(&issuer.metadata_url(), Document::Metadata)?;
        Ok(Step::Fetch(request, FetchMetadata { issuer, now }))
    }
}

impl Conversation for FetchMetadata {
    type Output = ServerMetadata;
    type Error = FetchError;

    fn resume(self, answer: Answer) -> Result<Step<Self>, FetchError> {
        let document = Document::Metadata;
        let text = read_answer(answer, document, self.issuer.metadata_url(), self.now)?;
        let metadata = Metadata::parse_unnamed(&text.body, &self.issuer)
            .map_err(|failure| FetchError::new(document, failure))?;
        let stamp = text.stamp;
        Ok(Step::Done(ServerMetadata { metadata, stamp }))
    }
}

type Answer = Result<Response<Vec<u8>>, TransportError>;

/// Takes a 200 (RFC 8414 section 3.2). Anything else is a failure that may pass.
fn read_answer(
    answer: Answer,
    document: Document,
    url: String,
    now: NumericDate,
) -> Result<DocumentText, FetchError> {
    let fail = |failure| FetchError::new(document, failure);
    let answer = answer.map_err(|error| fail(FetchFailure::Transport(error)))?;
    if answer.status() != StatusCode::OK {
        let mut error = fail(FetchFailure::Status(answer.status().as_u16()));
        error.retry_after = retry_after(&answer);
        return Err(error);
    }
    // The built-in clients stop earlier; others may have no limit.
    if answer.body().len() > MAX_BODY {
        return Err(fail(FetchFailure::TooLarge));
    }
    let stamp = Stamp {
        requested_at: now,
        max_age: max_age(answer.headers()),
    };
    let body = answer.into_body();
    Ok(DocumentText { url, body, stamp })
}

fn get(url: &str, document: Document) -> Result<Request<Vec<u8>>, FetchError> {
    Request::get(url)
        .header(header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(|_| {
            let failure = match document {
                Document::Metadata => FetchFailure::IssuerMismatch,
                Document::Jwks => FetchFailure::JwksUriNotAllowed,
            };
            FetchError::new(document, failure)
        })
}
