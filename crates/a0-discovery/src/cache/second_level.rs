//! The entries in a cache adapter. They are read before a fetch and written after it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::{Value, json};

use super::adapter::CacheAdapterError;
use super::shared::lock;
use crate::error::Document;
use crate::fetch::{DocumentText, MAX_BODY_SIZE};
use crate::issuer::Issuer;
use crate::policy::{Stamp, elapsed};

/// The longest entry that is accepted, in bytes: the largest document with every octet escaped.
const MAX_ENTRY: usize = 6 * MAX_BODY_SIZE + 4096;

/// An entry to write.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) ttl: Duration,
    requested_at: NumericDate,
}

impl Entry {
    /// Whether this entry may replace `stored`. A slow process must not replace a newer document
    /// with an older one. A malformed entry or a document from the future may be replaced.
    pub(crate) fn may_replace(&self, stored: &str, now: NumericDate) -> bool {
        let stored = parse(stored, now);
        !stored.is_some_and(|stored| stored.stamp.requested_at > self.requested_at)
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
                self.take_entry(None)
            }
        }
    }

    /// Passes on what was read from an entry, and counts an unusable entry.
    pub(crate) fn take_entry<T>(&self, entry: Option<T>) -> Option<T> {
        if entry.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        entry
    }
}

/// The key of a document in the adapter.
pub(crate) fn key(issuer: &Issuer, document: Document) -> String {
    let name = match document {
        Document::Metadata => "metadata",
        Document::Jwks => "jwks",
    };
    format!("a0-discovery:1:{name}:{issuer}")
}

/// Makes an entry of a document. Returns `None` if the document is not UTF-8.
pub(crate) fn encode(key: String, text: &DocumentText, ttl: Duration) -> Option<Entry> {
    let requested_at = text.stamp.requested_at;
    let value = json!({
        "url": text.url,
        "requested_at": requested_at.as_seconds(),
        "max_age": text.stamp.max_age.map(|age| age.as_secs()),
        "body": std::str::from_utf8(&text.body).ok()?,
    });
    Some(Entry {
        key,
        value: value.to_string(),
        ttl,
        requested_at,
    })
}

/// Reads the document in an entry. Returns `None` if the document came from another URL.
pub(crate) fn decode(entry: &str, url: &str, now: NumericDate) -> Option<DocumentText> {
    parse(entry, now).filter(|document| document.url == url)
}

/// Returns `None` for anything that [`encode`] does not write, and for a document from the future.
fn parse(entry: &str, now: NumericDate) -> Option<DocumentText> {
    if entry.len() > MAX_ENTRY {
        return None;
    }
    let entry = json::parse_object(entry.as_bytes()).ok()?;
    let requested_at = NumericDate::from_json(entry.get("requested_at")?)?;
    let max_age = match entry.get("max_age")? {
        Value::Null => None,
        seconds => Some(Duration::from_secs(seconds.as_u64()?)),
    };
    let body = entry.get("body")?.as_str()?.as_bytes();
    let fits = elapsed(requested_at, now) < Duration::MAX && body.len() <= MAX_BODY_SIZE;
    let url = entry.get("url")?.as_str()?;
    fits.then(|| DocumentText {
        url: url.to_owned(),
        body: body.to_vec(),
        stamp: Stamp {
            requested_at,
            max_age,
        },
    })
}
