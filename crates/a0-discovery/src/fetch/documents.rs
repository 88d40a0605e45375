//! The documents of an issuer and the rules they must meet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use a0_jose::{Algorithm, Backend, JwkSet, NumericDate};
use serde_json::Value;
use url::Url;

use super::metadata::{EndpointFault, Metadata};
use super::origin::Origin;
use crate::age::{Stamp, older};
use crate::error::{FetchFailure, TokenEndpointError};
use crate::issuer::Issuer;
use crate::lease::Lease;
use crate::skipped_keys::SkippedKeys;

/// Which keys are accepted, and from which origins.
#[derive(Debug, Clone)]
pub struct FetchRules {
    algorithms: Vec<Algorithm>,
    issuer_algorithms: HashMap<Issuer, Vec<Algorithm>>,
    backend: Backend,
    trusted_endpoints: Vec<Origin>,
}

impl FetchRules {
    /// Accepts keys for these algorithms (see [`VerifyingKey::new`](a0_jose::VerifyingKey::new))
    /// from the issuer's own origin only.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        FetchRules {
            algorithms: algorithms.into_iter().collect(),
            issuer_algorithms: HashMap::new(),
            backend: Backend::default(),
            trusted_endpoints: Vec::new(),
        }
    }

    /// Accepts keys of one issuer for these algorithms only, in place of the common ones (RFC 8725 section
    /// 3.1).
    #[must_use]
    pub fn issuer_algorithms(
        mut self,
        issuer: Issuer,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        let algorithms = algorithms.into_iter().collect();
        self.issuer_algorithms.insert(issuer, algorithms);
        self
    }

    /// Adds origins that a `jwks_uri` or a `token_endpoint` may point to.
    #[must_use]
    pub fn trust(mut self, origins: impl IntoIterator<Item = Origin>) -> Self {
        self.trusted_endpoints.extend(origins);
        self
    }

    /// Sets the library that verifies signatures with the keys. Defaults to OpenSSL.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Checks metadata, whether it was fetched or read from the second level.
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

    /// Checks a key set, whether it was fetched or read from the second level.
    pub(crate) fn read_keys(
        &self,
        source: Arc<KeySource>,
        text: &DocumentText,
    ) -> Result<IssuerKeys, FetchFailure> {
        // Metadata has the issuer's name, or it would not have been accepted.
        let issuer = source.metadata.get("issuer").and_then(Value::as_str);
        let own = issuer.and_then(|issuer| self.issuer_algorithms.get(issuer));
        let algorithms = own.unwrap_or(&self.algorithms);
        let keys = JwkSet::parse_with_backend(&text.body, algorithms, self.backend)
            .map_err(|_| FetchFailure::NotAKeySet)?;
        if keys.is_empty() {
            return Err(match SkippedKeys::of(&keys) {
                none if none.total() == 0 => FetchFailure::EmptyKeySet,
                skipped => FetchFailure::NoUsableKey(skipped),
            });
        }
        Ok(IssuerKeys {
            lease: Lease::new([source.stamp, text.stamp]),
            source,
            keys,
            stamp: text.stamp,
        })
    }
}

/// A document as the server sent it.
#[derive(Debug)]
pub(crate) struct DocumentText {
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// Metadata, and the URL of the keys in it.
#[derive(Debug)]
pub(crate) struct KeySource {
    metadata: Metadata,
    pub(crate) jwks_uri: Url,
    pub(crate) stamp: Stamp,
}

/// An issuer's metadata and keys, both checked.
#[derive(Debug)]
pub struct IssuerKeys {
    pub(crate) source: Arc<KeySource>,
    keys: JwkSet,
    stamp: Stamp,
    lease: Lease,
}

impl IssuerKeys {
    /// The issuer's metadata.
    pub fn metadata(&self) -> &Metadata {
        &self.source.metadata
    }

    /// The keys. There is at least one.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// How long the server allows the documents to be cached: the lower `max-age` of the two
    /// responses.
    pub fn max_age(&self) -> Option<Duration> {
        let ages = [self.source.stamp.max_age, self.stamp.max_age];
        ages.into_iter().flatten().min()
    }

    /// The lease of these keys in the cache that served them.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// When the older of the two documents was requested.
    pub fn requested_at(&self) -> NumericDate {
        older(self.stamps())
    }

    pub(crate) fn stamps(&self) -> [Stamp; 2] {
        [self.source.stamp, self.stamp]
    }
}

/// An issuer's metadata without its keys, for the endpoints in it. It may lack `issuer`.
#[derive(Debug)]
pub(crate) struct ServerMetadata {
    pub(crate) metadata: Metadata,
    pub(crate) stamp: Stamp,
}
