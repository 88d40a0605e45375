//! Documents in a cache adapter: written after each fetch, and read before one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::{Value, json};

use crate::adapter::CacheAdapter;
use crate::error::Document;
use crate::fetch::{DocumentText, FetchRules, FetchedKeys, IssuerKeys, MAX_BODY};
use crate::issuer::Issuer;
use crate::stamp::{Stamp, elapsed};

/// The longest entry that is read, in bytes: a document in which every octet is escaped.
const MAX_ENTRY: usize = 6 * MAX_BODY + 4096;

pub(crate) struct SecondLevel {
    adapter: Option<Arc<dyn CacheAdapter>>,
    /// Errors of the adapter, and entries that could not be used.
    misses: AtomicU64,
}

impl SecondLevel {
    pub(crate) fn new(adapter: Option<Arc<dyn CacheAdapter>>) -> Self {
        let misses = AtomicU64::new(0);
        SecondLevel { adapter, misses }
    }

    pub(crate) fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// The keys of `issuer`, checked as if they had just come from it.
    pub(crate) fn load(
        &self,
        issuer: &Issuer,
        rules: &FetchRules,
        now: NumericDate,
    ) -> Option<IssuerKeys> {
        let text = self.read(issuer, Document::Metadata, &issuer.metadata_url(), now)?;
        let source = self.usable(rules.read_metadata(issuer, &text))?;
        let text = self.read(issuer, Document::Jwks, source.jwks_uri.as_str(), now)?;
        self.usable(rules.read_keys(Arc::new(source), &text))
    }

    fn read(
        &self,
        issuer: &Issuer,
        document: Document,
        url: &str,
        now: NumericDate,
    ) -> Option<DocumentText> {
        let adapter = self.adapter.as_ref()?;
        let entry = self.usable(adapter.get(&key(issuer, document)))??;
        self.usable(decode(&entry, url, now).ok_or(()))
    }

    /// Keeps what a fetch gave for `ttl`, the longest time that it may be served.
    pub(crate) fn store(&self, issuer: &Issuer, fetched: &FetchedKeys, ttl: Duration) {
        let Some(adapter) = self.adapter.as_ref().filter(|_| !ttl.is_zero()) else {
            return;
        };
        let documents = [
            (Document::Metadata, fetched.metadata.as_ref()),
            (Document::Jwks, Some(&fetched.jwks)),
        ];
        for (document, text) in documents {
            // A body that is not UTF-8 was not JSON, and is not here.
            if let Some(entry) = text.and_then(encode) {
                self.usable(adapter.set(&key(issuer, document), &entry, ttl));
            }
        }
    }

    /// What cannot be used is a miss, and is counted.
    fn usable<T, E>(&self, outcome: Result<T, E>) -> Option<T> {
        if outcome.is_err() {
            self.misses.fetch_add(1, Ordering::Relaxed);
        }
        outcome.ok()
    }
}

fn key(issuer: &Issuer, document: Document) -> String {
    let name = match document {
        Document::Metadata => "metadata",
        Document::Jwks => "jwks",
    };
    format!("a0-discovery:1:{name}:{issuer}")
}

fn encode(text: &DocumentText) -> Option<String> {
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
fn decode(entry: &str, url: &str, now: NumericDate) -> Option<DocumentText> {
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
