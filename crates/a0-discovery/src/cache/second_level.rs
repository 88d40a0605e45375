//! Documents as a cache adapter holds them. They are read before a fetch and written after it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::{Value, json};

use super::adapter::CacheAdapterError;
use crate::age::{Stamp, elapsed};
use crate::error::Document;
use crate::fetch::{DocumentText, MAX_BODY};
use crate::issuer::Issuer;
use crate::lock::lock;

/// The longest entry that is read, in bytes: a document in which every octet is escaped.
const MAX_ENTRY: usize = 6 * MAX_BODY + 4096;

/// An entry to be written.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) ttl: Duration,
    requested_at: NumericDate,
}

impl Entry {
    /// Whether it may replace `stored`: a slow process must not write an older document over a newer one.
    /// Garbage, and a document from the future, may be replaced.
    pub(crate) fn may_replace(&self, stored: &str, now: NumericDate) -> bool {
        let stored = parse(stored, now);
        !stored.is_some_and(|stored| stored.stamp.requested_at > self.requested_at)
    }
}

/// Counts errors of the adapter, and entries that cannot be used.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    count: AtomicU64,
    last_error: Mutex<Option<CacheAdapterError>>,
}

impl Misses {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn last_error(&self) -> Option<CacheAdapterError> {
        lock(&self.last_error).clone()
    }

    /// Takes the adapter's answer; an error counts as a miss.
    pub(crate) fn answered<T>(&self, answer: Result<T, CacheAdapterError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(error) => {
                *lock(&self.last_error) = Some(error);
                self.usable(None)
            }
        }
    }

    /// Counts a miss if there is nothing usable.
    pub(crate) fn usable<T>(&self, entry: Option<T>) -> Option<T> {
        if entry.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        entry
    }
}

pub(crate) fn key(issuer: &Issuer, document: Document) -> String {
    let name = match document {
        Document::Metadata => "metadata",
        Document::Jwks => "jwks",
    };
    format!("a0-discovery:1:{name}:{issuer}")
}

/// `None` for a document that is not UTF-8.
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

/// The document in an entry; `None` for one from another address.
pub(crate) fn decode(entry: &str, url: &str, now: NumericDate) -> Option<DocumentText> {
    parse(entry, now).filter(|document| document.url == url)
}

/// `None` for everything that [`encode`] does not write, and for a document from the future.
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
    let fits = elapsed(requested_at, now) < Duration::MAX && body.len() <= MAX_BODY;
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
