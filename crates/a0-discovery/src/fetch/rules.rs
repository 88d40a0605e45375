//! The rules that an API sets for fetches, and the keys that it supplies itself.

use std::collections::HashMap;

use a0_jose::{Algorithm, Backend, NumericDate};
use http::header::{HeaderName, HeaderValue};

use super::documents::{IssuerKeys, Lease, Stamp};
use crate::error::FetchFailure;
use crate::https_url::HttpsUrl;
use crate::issuer::{Issuer, Origin};

/// The largest document that is accepted: 1 MiB of decoded body. Auth0's are a few kilobytes.
pub const MAX_BODY_SIZE: usize = 1024 * 1024;

/// Which keys are accepted, and from where they are fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) issuer_algorithms: HashMap<Issuer, Vec<Algorithm>>,
    pub(super) backend: Backend,
    pub(super) trusted_endpoints: Vec<Origin>,
    pub(super) metadata_urls: HashMap<Issuer, HttpsUrl>,
    pub(super) jwks_urls: HashMap<Issuer, HttpsUrl>,
    pub(super) metadata_header: Option<(HeaderName, HeaderValue)>,
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
}
