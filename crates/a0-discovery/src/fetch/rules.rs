//! The rules that an issuer's documents must meet, and the addresses that they come from.

use std::collections::HashMap;
use std::sync::Arc;

use a0_jose::{Algorithm, Backend, JwkSet, NumericDate};
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;

use super::documents::{DocumentText, EndpointFault, IssuerKeys, KeySource, Metadata};
use crate::error::{FetchFailure, TokenEndpointError};
use crate::https_url::HttpsUrl;
use crate::issuer::{Issuer, Origin};
use crate::policy::{Lease, Stamp};
use crate::skipped_keys::SkippedKeys;

/// The largest document that is accepted: 1 MiB of decoded body. Auth0's are a few kilobytes.
pub const MAX_BODY_SIZE: usize = 1024 * 1024;

/// Which keys are accepted, and from where they are fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    algorithms: Vec<Algorithm>,
    issuer_algorithms: HashMap<Issuer, Vec<Algorithm>>,
    backend: Backend,
    trusted_endpoints: Vec<Origin>,
    metadata_urls: HashMap<Issuer, HttpsUrl>,
    jwks_urls: HashMap<Issuer, HttpsUrl>,
    metadata_header: Option<(HeaderName, HeaderValue)>,
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
            metadata_urls: HashMap::new(),
            jwks_urls: HashMap::new(),
            metadata_header: None,
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

    /// Fetches the metadata of `issuer` from `url`, and not from the issuer's own name: from a proxy
    /// inside a cluster, for example. Everything else stays: the document must name `issuer`, and its
    /// `jwks_uri` and its endpoints must be on the issuer's own origin or a [trusted](Self::trust) one.
    #[must_use]
    pub fn metadata_url(mut self, issuer: Issuer, url: HttpsUrl) -> Self {
        self.metadata_urls.insert(issuer, url);
        self
    }

    /// Fetches the keys of `issuer` from `url`, and not from the `jwks_uri` of its metadata, which is
    /// then not read. The metadata is still fetched and must name `issuer`.
    #[must_use]
    pub fn jwks_url(mut self, issuer: Issuer, url: HttpsUrl) -> Self {
        self.jwks_urls.insert(issuer, url);
        self
    }

    /// Adds a header to the requests for metadata that are made for the token endpoint alone, and to
    /// no others. Such a request is anonymous without it.
    #[must_use]
    pub fn token_endpoint_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.metadata_header = Some((name, value));
        self
    }

    pub(crate) fn metadata_header(&self) -> Option<&(HeaderName, HeaderValue)> {
        self.metadata_header.as_ref()
    }

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
        let keys = self.read_key_set(issuer, &text.body)?;
        Ok(IssuerKeys {
            lease: Lease::new([source.stamp, text.stamp]),
            source: Some(source),
            keys,
            stamp: text.stamp,
        })
    }

    /// Checks a key set that the caller gave. It was requested at `requested_at`.
    pub(crate) fn read_initial_keys(
        &self,
        issuer: &Issuer,
        body: &[u8],
        requested_at: NumericDate,
    ) -> Result<IssuerKeys, FetchFailure> {
        let stamp = Stamp {
            requested_at,
            max_age: None,
        };
        self.read_given_keys(issuer, body, stamp, Lease::new([stamp; 2]))
    }

    /// Checks a key set that the caller gave and that never ages.
    pub(crate) fn read_static_keys(
        &self,
        issuer: &Issuer,
        body: &[u8],
        given_at: NumericDate,
    ) -> Result<IssuerKeys, FetchFailure> {
        let stamp = Stamp {
            requested_at: given_at,
            max_age: None,
        };
        self.read_given_keys(issuer, body, stamp, Lease::without_end(stamp))
    }

    fn read_given_keys(
        &self,
        issuer: &Issuer,
        body: &[u8],
        stamp: Stamp,
        lease: Lease,
    ) -> Result<IssuerKeys, FetchFailure> {
        if body.len() > MAX_BODY_SIZE {
            return Err(FetchFailure::TooLarge);
        }
        Ok(IssuerKeys {
            source: None,
            keys: self.read_key_set(Some(issuer.as_str()), body)?,
            stamp,
            lease,
        })
    }

    fn read_key_set(&self, issuer: Option<&str>, body: &[u8]) -> Result<JwkSet, FetchFailure> {
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
