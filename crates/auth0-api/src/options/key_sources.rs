//! The options of where keys come from, other than from the issuer's own name.

use std::fmt::Display;

use a0_discovery::{FetchRules, HttpsUrl, Issuer, KeyCacheBuilder, normalize_domain};

use crate::error::Error;
use crate::verification::issuers::Issuers;

use super::builder::Builder;

/// The keys and addresses of issuers, each as it was given: a domain and a text.
#[derive(Clone, Default)]
pub(crate) struct KeySources {
    metadata_urls: Vec<(String, String)>,
    jwks_urls: Vec<(String, String)>,
    static_keys: Vec<(String, String)>,
}

impl Builder {
    /// Fetches the metadata of `domain` from `url`, and not from
    /// `https://domain/.well-known/openid-configuration`: from a proxy inside a cluster, for example.
    ///
    /// The URL must be https. All checks stay: the document must name `https://domain/` as its `issuer`,
    /// and its `jwks_uri` and its `token_endpoint` must be on the domain's own origin or one of
    /// [`trusted_endpoints`](Builder::trusted_endpoints). To fetch the keys from the proxy too, set
    /// [`jwks_url`](Builder::jwks_url).
    ///
    /// ```
    /// let client = auth0_api::ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .metadata_url("tenant.example", "https://proxy.internal:8443/tenant/metadata")
    ///     .jwks_url("tenant.example", "https://proxy.internal:8443/tenant/keys")
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn metadata_url(mut self, domain: impl Into<String>, url: impl Into<String>) -> Self {
        let entry = (domain.into(), url.into());
        self.key_sources.metadata_urls.push(entry);
        self
    }

    /// Fetches the keys of `domain` from `url`, and not from the `jwks_uri` of its metadata, which is then
    /// not read. The metadata is still fetched and must name `https://domain/` as its `issuer`.
    ///
    /// The URL must be https. Whoever answers there decides which tokens are accepted.
    pub fn jwks_url(mut self, domain: impl Into<String>, url: impl Into<String>) -> Self {
        let entry = (domain.into(), url.into());
        self.key_sources.jwks_urls.push(entry);
        self
    }

    /// Verifies the tokens of `domain` with these keys alone, for tests and closed networks. `jwks` is the
    /// JSON text of a key set. A later call for the same domain replaces an earlier one.
    ///
    /// For these tokens nothing is ever fetched, neither metadata nor keys, also not for an unknown `kid`,
    /// by `warm_up` or by `reload`. The keys never age, and a key that the tenant removes stays accepted until
    /// a new client is built. For keys that are only a start, use [`initial_keys`](Builder::initial_keys).
    /// Client flows still fetch the metadata of their domain, for its token endpoint.
    ///
    /// `build` fails if the text is no key set or has no usable key, if the API does not accept tokens of
    /// this domain, or if `initial_keys`, [`jwks_url`](Builder::jwks_url) or, except for the
    /// [`domain`](Builder::domain) of client flows, [`metadata_url`](Builder::metadata_url) names the domain
    /// too.
    ///
    /// ```
    /// # let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k",
    /// #     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// let client = auth0_api::ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .algorithms(["EdDSA"])
    ///     .static_keys("tenant.example", jwks)
    ///     .build()?;
    /// assert_eq!(client.key_status()[0].freshness, auth0_api::Freshness::Static);
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn static_keys(mut self, domain: impl Into<String>, jwks: impl Into<String>) -> Self {
        let entry = (domain.into(), jwks.into());
        self.key_sources.static_keys.push(entry);
        self
    }

    /// Adds the addresses of documents to the rules.
    pub(crate) fn add_addresses<R>(
        &self,
        mut rules: FetchRules,
        issuers: &Issuers<R>,
    ) -> Result<FetchRules, Error> {
        for (domain, url) in &self.key_sources.metadata_urls {
            let option = "metadata_url";
            let issuer = known_issuer(option, domain)?;
            // Client flows read metadata of a domain whose tokens need not be accepted.
            if issuers.exclude(&issuer) && self.issuer_of_domain().as_ref() != Some(&issuer) {
                return Err(fault(option, domain, &NOT_ACCEPTED));
            }
            rules = rules.metadata_url(issuer, address(option, domain, url)?);
        }
        for (domain, url) in &self.key_sources.jwks_urls {
            let option = "jwks_url";
            let issuer = accepted_issuer(option, domain, issuers)?;
            rules = rules.jwks_url(issuer, address(option, domain, url)?);
        }
        Ok(rules)
    }

    fn issuer_of_domain(&self) -> Option<Issuer> {
        normalize_domain(self.domain.as_deref()?).ok()
    }

    /// Gives the initial and the static keys to the key cache.
    pub(crate) fn add_keys<R, C: ?Sized, A: ?Sized>(
        &self,
        mut cache: KeyCacheBuilder<C, A>,
        issuers: &Issuers<R>,
    ) -> Result<KeyCacheBuilder<C, A>, Error> {
        let option = "static_keys";
        let mut others: Vec<(Issuer, &str)> = Vec::new();
        for initial in &self.initial_keys {
            let issuer = accepted_issuer("initial_keys", &initial.domain, issuers)?;
            let added = cache.initial_keys(issuer.clone(), &initial.jwks, initial.fetched_at);
            cache = added.map_err(|error| fault("initial_keys", &initial.domain, &error))?;
            others.push((issuer, "initial_keys"));
        }
        for (domain, _) in &self.key_sources.jwks_urls {
            others.push((accepted_issuer("jwks_url", domain, issuers)?, "jwks_url"));
        }
        // Metadata is fetched for client flows only, if the keys are static.
        for (domain, _) in &self.key_sources.metadata_urls {
            let issuer = known_issuer("metadata_url", domain)?;
            if self.issuer_of_domain().as_ref() != Some(&issuer) {
                others.push((issuer, "metadata_url"));
            }
        }
        for (domain, jwks) in &self.key_sources.static_keys {
            let issuer = accepted_issuer(option, domain, issuers)?;
            if let Some((_, other)) = others.iter().find(|(named, _)| *named == issuer) {
                let reason = format!("{other} names this domain too, and would have no effect");
                return Err(fault(option, domain, &reason));
            }
            let added = cache.static_keys(issuer, jwks);
            cache = added.map_err(|error| fault(option, domain, &error))?;
        }
        Ok(cache)
    }
}

const NOT_ACCEPTED: &str = "this API does not accept tokens of this domain";

fn fault(option: &str, domain: &str, reason: &dyn Display) -> Error {
    Error::configuration(format!("{option}: {domain}: {reason}"))
}

fn known_issuer(option: &str, domain: &str) -> Result<Issuer, Error> {
    normalize_domain(domain).map_err(|error| fault(option, domain, &error))
}

fn accepted_issuer<R>(option: &str, domain: &str, issuers: &Issuers<R>) -> Result<Issuer, Error> {
    let issuer = known_issuer(option, domain)?;
    match issuers.exclude(&issuer) {
        true => Err(fault(option, domain, &NOT_ACCEPTED)),
        false => Ok(issuer),
    }
}

fn address(option: &str, domain: &str, url: &str) -> Result<HttpsUrl, Error> {
    url.parse().map_err(|error| fault(option, domain, &error))
}
