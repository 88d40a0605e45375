//! The conversation that gets an issuer's keys: metadata, then the JWK Set it points to.

use std::sync::Arc;
use std::time::Duration;

use a0_http::{Conversation, Step, TransportError};
use a0_jose::{Algorithm, JwkSet};
use http::{Request, Response, StatusCode, header};

use crate::cache_control::max_age;
use crate::error::{Document, FetchError, FetchFailure};
use crate::issuer::Issuer;
use crate::metadata::Metadata;
use crate::origin::Origin;

/// The largest document that is read, in bytes of the decoded body. A tenant's are of a few
/// kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// What is allowed while keys are fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    algorithms: Vec<Algorithm>,
    trusted_endpoints: Vec<Origin>,
}

impl FetchRules {
    /// Keys for these algorithms (see [`VerifyingKey::new`](a0_jose::VerifyingKey::new)), from the
    /// issuer's own origin only.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        FetchRules {
            algorithms: algorithms.into_iter().collect(),
            trusted_endpoints: Vec::new(),
        }
    }

    /// Further origins that a `jwks_uri` may point to.
    #[must_use]
    pub fn trust(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.trusted_endpoints.extend(origins);
        self
    }
}

/// What one successful fetch gave.
#[derive(Debug)]
pub struct IssuerKeys {
    metadata: Metadata,
    keys: JwkSet,
    max_age: Option<Duration>,
}

impl IssuerKeys {
    /// The issuer's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The keys; at least one.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// How long the server allows to keep them: the lower `max-age` of the two answers.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

/// The conversation. [`start`](FetchKeys::start) it, then hold it with [`a0_http::drive`] or by
/// hand.
#[derive(Debug)]
pub struct FetchKeys {
    issuer: Issuer,
    rules: Arc<FetchRules>,
    /// The metadata and its `max-age`, once they are there.
    metadata: Option<(Metadata, Option<Duration>)>,
}

impl FetchKeys {
    /// Asks for the issuer's metadata first.
    ///
    /// # Errors
    ///
    /// None in practice: an [`Issuer`] always makes a valid URL.
    pub fn start(issuer: Issuer, rules: Arc<FetchRules>) -> Result<Step<Self>, FetchError> {
        let request = get(&issuer.metadata_url(), Document::Metadata)?;
        let conversation = FetchKeys {
            issuer,
            rules,
            metadata: None,
        };
        Ok(Step::Fetch(request, conversation))
    }

    fn accept_metadata(self, answer: Answer) -> Result<Step<Self>, FetchError> {
        let fail = |failure| FetchError::new(Document::Metadata, failure);
        let answer = judge_answer(answer).map_err(fail)?;
        let metadata = Metadata::parse(answer.body(), &self.issuer).map_err(fail)?;
        let jwks_uri = metadata
            .jwks_uri(&self.issuer, &self.rules.trusted_endpoints)
            .map_err(fail)?;
        let request = get(jwks_uri.as_str(), Document::Jwks)?;
        let metadata = Some((metadata, max_age(answer.headers())));
        Ok(Step::Fetch(request, FetchKeys { metadata, ..self }))
    }
}

impl Conversation for FetchKeys {
    type Output = IssuerKeys;
    type Error = FetchError;

    fn resume(mut self, answer: Answer) -> Result<Step<Self>, FetchError> {
        let Some((metadata, metadata_age)) = self.metadata.take() else {
            return self.accept_metadata(answer);
        };
        let fail = |failure| FetchError::new(Document::Jwks, failure);
        let answer = judge_answer(answer).map_err(fail)?;
        let keys = JwkSet::parse(answer.body(), &self.rules.algorithms)
            .ok()
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| fail(FetchFailure::NoUsableKey))?;
        let ages = [metadata_age, max_age(answer.headers())];
        Ok(Step::Done(IssuerKeys {
            metadata,
            keys,
            max_age: ages.into_iter().flatten().min(),
        }))
    }
}

type Answer = Result<Response<Vec<u8>>, TransportError>;

/// RFC 8414 section 3.2: 200, or it is a failure that may pass.
fn judge_answer(answer: Answer) -> Result<Response<Vec<u8>>, FetchFailure> {
    let answer = answer.map_err(FetchFailure::Transport)?;
    if answer.status() != StatusCode::OK {
        return Err(FetchFailure::Status(answer.status().as_u16()));
    }
    // Once more for clients that are not bounded themselves.
    if answer.body().len() > MAX_BODY {
        return Err(FetchFailure::TooLarge);
    }
    Ok(answer)
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
