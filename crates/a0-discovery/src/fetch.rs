//! The conversation that gets an issuer's keys: metadata, then the JWK Set it points to.

use std::sync::Arc;
use std::time::Duration;

use a0_http::{Conversation, Step, TransportError};
use a0_jose::{Algorithm, Backend, JwkSet, NumericDate};
use http::{HeaderMap, Request, Response, StatusCode, header};
use url::Url;

use crate::cache_control::max_age;
use crate::error::{Document, FetchError, FetchFailure, TokenEndpointError};
use crate::issuer::Issuer;
use crate::lease::Lease;
use crate::metadata::Metadata;
use crate::origin::Origin;
use crate::stamp::{Kept, Stamp};

/// The largest document that is read, in bytes of the decoded body. A tenant's are of a few
/// kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// What is allowed while keys are fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    algorithms: Vec<Algorithm>,
    backend: Backend,
    trusted_endpoints: Vec<Origin>,
}

impl FetchRules {
    /// Keys for these algorithms (see [`VerifyingKey::new`](a0_jose::VerifyingKey::new)), from the
    /// issuer's own origin only.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        FetchRules {
            algorithms: algorithms.into_iter().collect(),
            backend: Backend::default(),
            trusted_endpoints: Vec::new(),
        }
    }

    /// Further origins that a `jwks_uri` may point to.
    #[must_use]
    pub fn trust(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.trusted_endpoints.extend(origins);
        self
    }

    /// What the keys check signatures with, in place of OpenSSL.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Judges metadata, wherever it comes from.
    pub(crate) fn read_metadata(
        &self,
        issuer: &Issuer,
        text: &DocumentText,
    ) -> Result<KeySource, FetchFailure> {
        let metadata = Metadata::parse(&text.body, issuer)?;
        let jwks_uri = metadata.jwks_uri(issuer, &self.trusted_endpoints)?;
        Ok(KeySource {
            metadata,
            jwks_uri,
            stamp: text.stamp,
        })
    }

    /// Where the token endpoint is, if it is one that credentials may go to.
    pub(crate) fn token_endpoint(
        &self,
        metadata: &Metadata,
        issuer: &Issuer,
    ) -> Result<String, TokenEndpointError> {
        let named = metadata.get("token_endpoint").filter(|text| *text != "");
        match named.and(metadata.endpoint("token_endpoint", issuer, &self.trusted_endpoints)) {
            None => Err(TokenEndpointError::Missing),
            Some(url) => url.map(String::from).ok_or(TokenEndpointError::NotAllowed),
        }
    }

    /// Judges a key set, wherever it comes from.
    pub(crate) fn read_keys(
        &self,
        source: Arc<KeySource>,
        text: &DocumentText,
    ) -> Result<IssuerKeys, FetchFailure> {
        let keys = JwkSet::parse_with_backend(&text.body, &self.algorithms, self.backend)
            .ok()
            .filter(|keys| !keys.is_empty())
            .ok_or(FetchFailure::NoUsableKey)?;
        Ok(IssuerKeys {
            lease: Lease::new([source.stamp, text.stamp]),
            source,
            keys,
            stamp: text.stamp,
        })
    }
}

/// A document as it came.
#[derive(Debug)]
pub(crate) struct DocumentText {
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// Metadata, and where it says that the keys are.
#[derive(Debug)]
pub(crate) struct KeySource {
    metadata: Metadata,
    pub(crate) jwks_uri: Url,
    pub(crate) stamp: Stamp,
}

/// An issuer's metadata and keys, both of them checked.
#[derive(Debug)]
pub struct IssuerKeys {
    pub(crate) source: Arc<KeySource>,
    keys: JwkSet,
    pub(crate) stamp: Stamp,
    lease: Lease,
}

impl IssuerKeys {
    /// The issuer's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.source.metadata
    }

    /// The keys; at least one.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// How long the server allows to keep them: the lower `max-age` of the two answers.
    pub fn max_age(&self) -> Option<Duration> {
        let ages = [self.source.stamp.max_age, self.stamp.max_age];
        ages.into_iter().flatten().min()
    }

    /// The time of these keys in the cache that gave them.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// When the older of the two documents was asked for.
    pub fn requested_at(&self) -> NumericDate {
        Kept::requested_at(self)
    }
}

impl Kept for IssuerKeys {
    fn stamps(&self) -> [Stamp; 2] {
        [self.source.stamp, self.stamp]
    }

    fn has_key(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.keys.contains(key_id, algorithm)
    }

    fn take_used(&self) -> bool {
        self.lease.take_used()
    }

    fn end(&self) {
        self.lease.end();
    }
}

/// Metadata for the sake of the endpoints in it.
#[derive(Debug)]
pub(crate) struct ServerMetadata {
    pub(crate) metadata: Metadata,
    stamp: Stamp,
}

impl Kept for ServerMetadata {
    fn stamps(&self) -> [Stamp; 2] {
        [self.stamp; 2]
    }
}

/// What a fetch gave: the keys, and the texts that they were read from.
#[derive(Debug)]
pub struct FetchedKeys {
    pub(crate) keys: IssuerKeys,
    /// `None` where the metadata was there already.
    pub(crate) metadata: Option<DocumentText>,
    pub(crate) jwks: DocumentText,
}

impl FetchedKeys {
    /// The keys.
    pub fn into_keys(self) -> IssuerKeys {
        self.keys
    }
}

/// The conversation. [`start`](FetchKeys::start) it, then hold it with [`a0_http::drive`] or by
/// hand.
#[derive(Debug)]
pub struct FetchKeys {
    rules: Arc<FetchRules>,
    now: NumericDate,
    next: Next,
}

/// What the next answer will be.
#[derive(Debug)]
enum Next {
    /// The metadata of this issuer.
    Metadata(Issuer),
    /// The keys of this source, with the metadata's text if it was fetched in this conversation.
    Keys(Arc<KeySource>, Option<DocumentText>),
}

impl FetchKeys {
    /// Asks for the issuer's metadata first, then for its keys. `now` is the time that their age
    /// counts from.
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

    /// Asks for the keys alone, where the metadata in hand says that they are.
    ///
    /// # Errors
    ///
    /// None in practice: the URL was checked with the metadata.
    pub fn start_with(
        in_hand: &IssuerKeys,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        FetchKeys::ask_for_keys(rules, now, Arc::clone(&in_hand.source), None)
    }

    fn ask_for_keys(
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
                let text = judge_answer(answer, document, issuer.metadata_url(), now)?;
                let source = rules.read_metadata(&issuer, &text);
                let source = source.map_err(|failure| FetchError::new(document, failure))?;
                FetchKeys::ask_for_keys(rules, now, Arc::new(source), Some(text))
            }
            Next::Keys(source, metadata) => {
                let document = Document::Jwks;
                let jwks = judge_answer(answer, document, source.jwks_uri.to_string(), now)?;
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

/// The conversation that gets metadata alone. It may name nobody: no key is taken from it, and where
/// its endpoints are is judged by their origin.
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
        let text = judge_answer(answer, document, self.issuer.metadata_url(), self.now)?;
        let metadata = Metadata::parse_unnamed(&text.body, &self.issuer)
            .map_err(|failure| FetchError::new(document, failure))?;
        let stamp = text.stamp;
        Ok(Step::Done(ServerMetadata { metadata, stamp }))
    }
}

type Answer = Result<Response<Vec<u8>>, TransportError>;

/// RFC 8414 section 3.2: 200, or it is a failure that may pass.
fn judge_answer(
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
    // Once more for clients that are not bounded themselves.
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

/// How long a server that is busy or out wants not to be asked (RFC 9110 section 10.2.3), where it
/// says so in seconds.
fn retry_after(answer: &Response<Vec<u8>>) -> Option<Duration> {
    let busy = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    let field = |headers: &HeaderMap| {
        headers
            .get(header::RETRY_AFTER)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    busy.contains(&answer.status())
        .then(|| field(answer.headers()))
        .flatten()
        .map(Duration::from_secs)
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
