//! Documents as a cache adapter holds them: written after each fetch, and read before one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::{Value, json};

use crate::adapter::CacheAdapterError;
use crate::error::Document;
use crate::fetch::{DocumentText, MAX_BODY};
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::stamp::{Stamp, elapsed};

/// The longest entry that is read, in bytes: a document in which every octet is escaped.
const MAX_ENTRY: usize = 6 * MAX_BODY + 4096;

/// What the second level is to hold.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) ttl: Duration,
}

/// Errors of the adapter, and entries that could not be used.
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

    /// What can be used of what the adapter said.
    pub(crate) fn answered<T>(&self, answer: Result<T, CacheAdapterError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(error) => {
                *lock(&self.last_error) = Some(error);
                self.usable(None)
            }
        }
    }

    /// Counts what cannot be used.
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

pub(crate) fn encode(text: &DocumentText) -> Option<String> {
    let entry = json!({
        "url": text.url,
        "requested_at": text.stamp.requested_at.as_seconds(),
        "max_age": text.stamp.max_age.map(|age| age.as_secs()),
        "body": std::str::from_utf8(&text.body).ok()?,
    });
    Some(entry.to_string())
}

/// `None` for everything that [`encode`] does not write, for a document of another address, and for
/// one from the future.
pub(crate) fn decode(entry: &str, url: &str, now: NumericDate) -> Option<DocumentText> {
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
    let fits = entry.get("url")?.as_str()? == url
        && elapsed(requested_at, now) < Duration::MAX
        && body.len() <= MAX_BODY;
    fits.then(|| DocumentText {
        url: url.to_owned(),
        body: body.to_vec(),
        stamp: Stamp {
            requested_at,
            max_age,
        },
    })
}
