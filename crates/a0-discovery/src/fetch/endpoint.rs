//! A fetch of metadata alone, for the token endpoint in it.

use std::sync::Arc;

use a0_http::{Conversation, Step};
use a0_jose::NumericDate;

use super::conversation::{ExchangeResult, get_metadata, read_document};
use super::documents::{EndpointFault, Metadata, Stamp};
use super::rules::FetchRules;
use crate::error::{Document, FetchError, TokenEndpointError};
use crate::issuer::Issuer;

/// An issuer's metadata without its keys, for the endpoints in it. It may lack `issuer`.
#[derive(Debug)]
pub(crate) struct ServerMetadata {
    pub(crate) metadata: Metadata,
    pub(crate) stamp: Stamp,
}

/// The conversation that fetches metadata alone. This metadata may lack `issuer`, because no keys
/// come from it and its endpoints are checked by their origin.
#[derive(Debug)]
pub(crate) struct FetchMetadata {
    issuer: Issuer,
    rules: Arc<FetchRules>,
    now: NumericDate,
}

impl FetchMetadata {
    pub(crate) fn start(
        issuer: Issuer,
        rules: Arc<FetchRules>,
        now: NumericDate,
    ) -> Result<Step<Self>, FetchError> {
        let mut request = get_metadata(&issuer, &rules)?;
        if let Some((name, value)) = &rules.metadata_header {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(Step::Fetch(request, FetchMetadata { issuer, rules, now }))
    }
}

impl Conversation for FetchMetadata {
    type Output = ServerMetadata;
    type Error = FetchError;

    fn resume(self, result: ExchangeResult) -> Result<Step<Self>, FetchError> {
        let FetchMetadata { issuer, rules, now } = self;
        let url = rules.metadata_url_of(&issuer);
        let fail = |failure| FetchError::at(Document::Metadata, url.clone(), failure);
        let text = read_document(result, url.clone(), now, fail)?;
        let metadata = Metadata::parse_with_optional_issuer(&text.body, &issuer).map_err(fail)?;
        let stamp = text.stamp;
        Ok(Step::Done(ServerMetadata { metadata, stamp }))
    }
}

impl FetchRules {
    /// The token endpoint, if credentials may go there.
    pub(crate) fn token_endpoint(
        &self,
        metadata: &Metadata,
        issuer: &Issuer,
    ) -> Result<String, TokenEndpointError> {
        let name = "token_endpoint";
        if metadata.get(name).is_some_and(|text| text == "") {
            return Err(TokenEndpointError::Missing);
        }
        match metadata.endpoint(name, issuer, &self.trusted_endpoints) {
            Ok(url) => Ok(url.into()),
            Err(EndpointFault::Missing) => Err(TokenEndpointError::Missing),
            Err(EndpointFault::Unreadable) => Err(TokenEndpointError::Unreadable),
            Err(EndpointFault::NotAllowed) => Err(TokenEndpointError::NotAllowed),
        }
    }
}
