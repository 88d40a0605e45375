//! The documents of an issuer and the rules they must meet: metadata (OpenID Connect Discovery 1.0
//! section 3, RFC 8414 section 2) and keys.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use a0_jose::{Algorithm, Backend, JwkSet, NumericDate, json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::conversation::MAX_BODY_SIZE;
use crate::error::{FetchFailure, TokenEndpointError};
use crate::https_url::HttpsUrl;
use crate::issuer::{Issuer, Origin};
use crate::policy::{Lease, Stamp, older};
use crate::skipped_keys::SkippedKeys;

/// Which keys are accepted, and from where they are fetched.
#[derive(Debug, Clone)]
pub struct FetchRules {
    algorithms: Vec<Algorithm>,
    issuer_algorithms: HashMap<Issuer, Vec<Algorithm>>,
    backend: Backend,
    trusted_endpoints: Vec<Origin>,
    metadata_urls: HashMap<Issuer, HttpsUrl>,
    jwks_urls: HashMap<Issuer, HttpsUrl>,
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
    /// `None` for initial and static keys, which come without metadata.
    pub(crate) source: Option<Arc<KeySource>>,
    keys: JwkSet,
    stamp: Stamp,
    lease: Lease,
}

impl IssuerKeys {
    /// The issuer's metadata; `None` for [initial keys](crate::KeyCacheBuilder::initial_keys) and
    /// [static keys](crate::KeyCacheBuilder::static_keys).
    pub fn metadata(&self) -> Option<&Metadata> {
        self.source.as_ref().map(|source| &source.metadata)
    }

    /// The keys. There is at least one.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// How long the server allows the documents to be cached: the lower `max-age` of the two
    /// responses.
    pub fn max_age(&self) -> Option<Duration> {
        let ages = self.stamps().map(|stamp| stamp.max_age);
        ages.into_iter().flatten().min()
    }

    /// The lease of these keys in the cache that served them.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// When the older of the two documents was requested; for static keys, when the cache was built.
    pub fn requested_at(&self) -> NumericDate {
        older(self.stamps())
    }

    pub(crate) fn stamps(&self) -> [Stamp; 2] {
        let source = self.source.as_ref();
        [source.map_or(self.stamp, |source| source.stamp), self.stamp]
    }
}

/// An issuer's metadata without its keys, for the endpoints in it. It may lack `issuer`.
#[derive(Debug)]
pub(crate) struct ServerMetadata {
    pub(crate) metadata: Metadata,
    pub(crate) stamp: Stamp,
}

/// The metadata of one issuer. `mtls_endpoint_aliases` are ignored.
#[derive(Debug, Clone)]
pub struct Metadata {
    members: Members,
}

/// `None` for a member without a single value, which is ambiguous or cannot be read.
type Members = BTreeMap<String, Option<Value>>;

/// Why metadata gives no URL for an endpoint.
#[derive(Debug)]
pub(crate) enum EndpointFault {
    Missing,
    Unreadable,
    /// Not an https URL on the issuer's origin or a trusted one.
    NotAllowed,
}

impl Metadata {
    /// Accepts a document whose `issuer` is exactly `issuer` (RFC 8414 section 3.3).
    pub(crate) fn parse(text: &[u8], issuer: &Issuer) -> Result<Self, FetchFailure> {
        let metadata = Metadata::parse_with_optional_issuer(text, issuer)?;
        if metadata.members.contains_key("issuer") {
            Ok(metadata)
        } else {
            Err(FetchFailure::IssuerMissing)
        }
    }

    /// Accepts a document whose `issuer` is exactly `issuer` or absent.
    pub(crate) fn parse_with_optional_issuer(
        text: &[u8],
        issuer: &Issuer,
    ) -> Result<Self, FetchFailure> {
        let document = serde_json::from_slice(text);
        let Document(members) = document.map_err(|_| FetchFailure::NotAnObject)?;
        match members.get("issuer") {
            Some(None) => Err(FetchFailure::UnreadableMember("issuer")),
            Some(Some(found)) if found != issuer.as_str() => Err(FetchFailure::IssuerMismatch),
            _ => Ok(Metadata { members }),
        }
    }

    /// Returns a member by name. `None` also if the name comes twice, in the document or in an
    /// object within the member, or if the member has a number out of the range of an `f64` or a
    /// text that is not Unicode: such a member has no single value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)?.as_ref()
    }

    /// The URL in `jwks_uri`, if keys of `issuer` may come from there.
    pub(crate) fn jwks_uri(
        &self,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Result<Url, FetchFailure> {
        let url = self.endpoint("jwks_uri", issuer, trusted);
        url.map_err(|fault| match fault {
            EndpointFault::Missing => FetchFailure::JwksUriMissing,
            EndpointFault::Unreadable => FetchFailure::UnreadableMember("jwks_uri"),
            EndpointFault::NotAllowed => FetchFailure::JwksUriNotAllowed,
        })
    }

    /// The URL in a member.
    pub(crate) fn endpoint(
        &self,
        name: &str,
        issuer: &Issuer,
        trusted: &[Origin],
    ) -> Result<Url, EndpointFault> {
        let value = match self.members.get(name) {
            None | Some(Some(Value::Null)) => return Err(EndpointFault::Missing),
            Some(None) => return Err(EndpointFault::Unreadable),
            Some(Some(value)) => value,
        };
        let is_allowed = |origin: &Origin| {
            Origin::of_issuer(issuer).as_ref() == Some(origin) || trusted.contains(origin)
        };
        let url = value.as_str().and_then(|text| Url::parse(text).ok());
        url.filter(|url| Origin::of(url).as_ref().is_some_and(is_allowed))
            .ok_or(EndpointFault::NotAllowed)
    }
}

/// A document that is not checked yet.
struct Document(Members);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Document, A::Error> {
        let mut members = Members::new();
        while let Some((name, value)) = access.next_entry::<String, &RawValue>()? {
            members
                .entry(name)
                .and_modify(|value| *value = None)
                .or_insert_with(|| read(value));
        }
        Ok(Document(members))
    }
}

/// Reads one value as strictly as a token, so that a member has one meaning or none.
fn read(value: &RawValue) -> Option<Value> {
    let object = format!(r#"{{"value":{}}}"#, value.get());
    json::parse_object(object.as_bytes()).ok()?.remove("value")
}
