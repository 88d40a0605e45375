//! The entries in a cache adapter: their names, their form, and which of them are refused.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::{Value, json};

use super::adapter::CacheAdapterError;
use super::entry_keys::EntryAuthentication;
use super::shared::lock;
use crate::error::Document;
use crate::fetch::{DocumentText, MAX_BODY_SIZE, Stamp, elapsed};
use crate::issuer::Issuer;

/// The longest entry that is accepted, in bytes: the largest document with every octet escaped.
const MAX_ENTRY: usize = 6 * MAX_BODY_SIZE + 4096;

/// The second level of a cache.
#[derive(Debug)]
pub(crate) struct SecondLevel {
    pub(crate) authentication: EntryAuthentication,
    /// The value that this cache's claims have, if processes can agree through the store who
    /// fetches.
    pub(crate) owner: Option<String>,
    /// The longest time for which a document may be served.
    pub(crate) max_lifetime: Duration,
}

/// An entry to write.
pub(crate) struct Entry {
    pub(super) document: Document,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) ttl: Duration,
    requested_at: NumericDate,
}

/// An entry of the second level that was ignored, as if it were absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedEntry {
    /// The document that the entry should hold.
    pub document: Document,
    /// Why it was ignored.
    pub reason: EntryRefusal,
}

/// Why an entry of the second level was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryRefusal {
    /// None of the [`EntryKeys`](crate::EntryKeys) sealed it under this name: it was planted,
    /// changed, cut or copied from another issuer, or its writer has another secret.
    NotAuthentic,
    /// It has not the form that a cache writes.
    Malformed,
    /// Its document was requested more than 60 s in the future.
    FromTheFuture,
    /// Its document is older than any that may be served.
    TooOld,
    /// This process has seen a newer document of the issuer.
    Superseded,
    /// Its document fails a check that every fetched document must pass.
    Unusable,
}

impl EntryRefusal {
    /// Returns the reason as a label for logs and metrics, such as `not_authentic`.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryRefusal::NotAuthentic => "not_authentic",
            EntryRefusal::Malformed => "malformed",
            EntryRefusal::FromTheFuture => "from_the_future",
            EntryRefusal::TooOld => "too_old",
            EntryRefusal::Superseded => "superseded",
            EntryRefusal::Unusable => "unusable",
        }
    }
}

/// Counts the adapter's errors and unusable entries.
#[derive(Debug, Default)]
pub(crate) struct AdapterFailures {
    count: AtomicU64,
    last_error: Mutex<Option<CacheAdapterError>>,
}

impl AdapterFailures {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<CacheAdapterError> {
        lock(&self.last_error).clone()
    }

    /// Unwraps a result of the adapter, and counts an error.
    pub(crate) fn take_response<T>(&self, result: Result<T, CacheAdapterError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                *lock(&self.last_error) = Some(error);
                self.count_one();
                None
            }
        }
    }

    pub(crate) fn count_one(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl SecondLevel {
    /// The name of a document in the store.
    pub(crate) fn name_of(&self, issuer: &Issuer, document: Document) -> String {
        match document {
            Document::Metadata => self.name("metadata", issuer),
            Document::Jwks => self.name("jwks", issuer),
        }
    }

    /// The name of a value of this kind in the store.
    pub(crate) fn name(&self, kind: &str, issuer: &Issuer) -> String {
        format!("{}:{kind}:{issuer}", self.authentication.prefix())
    }

    /// Makes an entry of a document. Returns `None` if the document is not UTF-8.
    pub(crate) fn encode(
        &self,
        issuer: &Issuer,
        document: Document,
        text: &DocumentText,
    ) -> Option<Entry> {
        let name = self.name_of(issuer, document);
        let requested_at = text.stamp.requested_at;
        let payload = json!({
            "url": text.url,
            "requested_at": date_to_json(requested_at),
            "max_age": text.stamp.max_age.map(|age| age.as_secs()),
            "body": std::str::from_utf8(&text.body).ok()?,
        });
        Some(Entry {
            document,
            value: self.authentication.seal(&name, payload.to_string()),
            name,
            ttl: self.max_lifetime,
            requested_at,
        })
    }

    /// Reads the document in an entry. It must come from `url`, and must not be older than `seen`.
    pub(crate) fn decode(
        &self,
        (name, entry): (&str, &str),
        url: &str,
        seen: Option<NumericDate>,
        now: NumericDate,
    ) -> Result<DocumentText, EntryRefusal> {
        let document = self.read(name, entry)?;
        let requested_at = document.stamp.requested_at;
        // A date that was seen before the clock was set back says nothing.
        let seen = seen.filter(|seen| elapsed(*seen, now) < Duration::MAX);
        match elapsed(requested_at, now) {
            Duration::MAX => Err(EntryRefusal::FromTheFuture),
            age if age >= self.max_lifetime => Err(EntryRefusal::TooOld),
            _ if seen.is_some_and(|seen| requested_at < seen) => Err(EntryRefusal::Superseded),
            _ if document.url != url => Err(EntryRefusal::Unusable),
            _ => Ok(document),
        }
    }

    /// Whether `entry` may replace the `stored` one of its name. A slow process must not replace a
    /// newer document with an older one. An entry that would be refused may be replaced.
    pub(crate) fn may_replace(&self, entry: &Entry, stored: &str, now: NumericDate) -> bool {
        let requested_at = |document: DocumentText| document.stamp.requested_at;
        let stored = self.read(&entry.name, stored).map(requested_at);
        !stored.is_ok_and(|stored| {
            stored > entry.requested_at && elapsed(stored, now) < self.max_lifetime
        })
    }

    /// Reads anything that [`encode`](Self::encode) writes.
    fn read(&self, name: &str, entry: &str) -> Result<DocumentText, EntryRefusal> {
        if entry.len() > MAX_ENTRY {
            return Err(EntryRefusal::Malformed);
        }
        let payload = self.authentication.open(name, entry);
        parse(payload.ok_or(EntryRefusal::NotAuthentic)?).ok_or(EntryRefusal::Malformed)
    }
}

/// Writes a date in full. It is a string, because a JSON number may be rounded when it is read, and
/// processes compare dates.
pub(super) fn date_to_json(date: NumericDate) -> Value {
    date.as_seconds().to_string().into()
}

/// Reads what [`date_to_json`] writes.
pub(super) fn date_from_json(date: &Value) -> Option<NumericDate> {
    let seconds: f64 = date.as_str()?.parse().ok()?;
    // A number that is not finite becomes null.
    NumericDate::from_json(&Value::from(seconds))
}

fn parse(payload: &str) -> Option<DocumentText> {
    let entry = json::parse_object(payload.as_bytes()).ok()?;
    let requested_at = date_from_json(entry.get("requested_at")?)?;
    let max_age = match entry.get("max_age")? {
        Value::Null => None,
        seconds => Some(Duration::from_secs(seconds.as_u64()?)),
    };
    let body = entry.get("body")?.as_str()?.as_bytes();
    let url = entry.get("url")?.as_str()?;
    (body.len() <= MAX_BODY_SIZE).then(|| DocumentText {
        url: url.to_owned(),
        body: body.to_vec(),
        stamp: Stamp {
            requested_at,
            max_age,
        },
    })
}
