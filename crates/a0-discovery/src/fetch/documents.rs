//! The documents of an issuer, metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2) and keys,
//! with their age and the lease of the keys.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use a0_jose::{JwkSet, NumericDate, json};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use crate::error::FetchFailure;
use crate::issuer::{Issuer, Origin};
use crate::policy::CachePolicy;

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
    pub(super) metadata: Metadata,
    pub(crate) jwks_uri: Url,
    pub(crate) stamp: Stamp,
}

/// An issuer's metadata and keys, both checked.
#[derive(Debug)]
pub struct IssuerKeys {
    /// `None` for initial and static keys, which come without metadata.
    pub(crate) source: Option<Arc<KeySource>>,
    pub(super) keys: JwkSet,
    pub(super) stamp: Stamp,
    pub(super) lease: Lease,
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

/// When a document was requested, and the `max-age` of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) requested_at: NumericDate,
    pub(crate) max_age: Option<Duration>,
}

/// When the older of two documents was requested.
pub(crate) fn older(stamps: [Stamp; 2]) -> NumericDate {
    let [first, second] = stamps.map(|stamp| stamp.requested_at);
    if first < second { first } else { second }
}

/// How far back, in seconds, a clock may appear to go before an age counts as unknown. Callers read
/// the clock before they wait for each other, so their times are slightly out of order.
const CLOCK_TOLERANCE: f64 = 60.0;

/// The time from `since` to `now`. Returns [`Duration::MAX`] if the clock was set back, because the
/// true time is then unknown.
pub(crate) fn elapsed(since: NumericDate, now: NumericDate) -> Duration {
    Duration::try_from_secs_f64(elapsed_seconds(since, now)).unwrap_or(Duration::MAX)
}

/// Like [`elapsed`], in seconds. An unknown time is infinite.
pub(crate) fn elapsed_seconds(since: NumericDate, now: NumericDate) -> f64 {
    let seconds = now.as_seconds() - since.as_seconds();
    if seconds < -CLOCK_TOLERANCE {
        f64::INFINITY
    } else {
        seconds.max(0.0)
    }
}

/// The lifetime of one key set in a [`KeyCache`](crate::KeyCache). It ends when the set is replaced
/// or evicted.
///
/// Callers that cache a verified token check the lease of the keys that verified it; they need no
/// lock of the key cache. Two leases are equal if they belong to the same key set from the same
/// fetch.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ended: AtomicBool,
    /// Whether `holds` was called since the cache last checked.
    used: AtomicBool,
    /// Whether the keys never age.
    is_static: bool,
    stamps: [Stamp; 2],
}

impl Lease {
    pub(crate) fn new(stamps: [Stamp; 2]) -> Self {
        Lease::with(stamps, false)
    }

    /// The lease of keys that never age.
    pub(crate) fn without_end(stamp: Stamp) -> Self {
        Lease::with([stamp; 2], true)
    }

    fn with(stamps: [Stamp; 2], is_static: bool) -> Self {
        Lease(Arc::new(Inner {
            ended: AtomicBool::new(false),
            used: AtomicBool::new(false),
            is_static,
            stamps,
        }))
    }

    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::Release);
    }

    /// Whether the keys were replaced or evicted. Cached results that depend on them are then
    /// invalid.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Whether the keys are still in the cache and fresh at the time `now`. `policy` is the cache's.
    /// If this returns `false`, ask the cache: it may still serve the keys while they are stale.
    pub fn holds(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        // Writing only once keeps threads from contending for the cache line.
        if !self.0.used.load(Ordering::Relaxed) {
            self.0.used.store(true, Ordering::Relaxed);
        }
        !self.has_ended() && (self.0.is_static || policy.are_fresh(self.0.stamps, now))
    }

    /// Whether [`holds`](Lease::holds) was called since the last call of this function.
    pub(crate) fn take_used(&self) -> bool {
        self.0.used.swap(false, Ordering::Relaxed)
    }
}

impl PartialEq for Lease {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lease {}
