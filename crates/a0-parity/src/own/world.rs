//! The servers, the clock and the shared store of a case. They record the requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::CacheAdapter;
use auth0_api::discovery::{CacheAdapterError, InMemoryCache};
use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::text;
use crate::tenant::{self, ISSUER, JWKS, METADATA, NOW};

#[derive(Default)]
pub(super) struct World {
    pub(super) now: u64,
    documents: Value,
    /// The requests to the token endpoint.
    pub(super) sent: Vec<Value>,
    /// The arguments of the resolver, by names that both sides share.
    pub(super) given: Value,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn enter(world: &Shared, case: &Value) {
    *locked(world) = World {
        now: case["now"].as_u64().unwrap_or_default(),
        documents: case["documents"].clone(),
        ..World::default()
    };
}

pub(super) fn answer(
    world: &mut World,
    request: &Request<Vec<u8>>,
) -> std::io::Result<Response<Vec<u8>>> {
    if request.method() == Method::POST {
        let authorization = request.headers().get("authorization");
        world.sent.push(json!({
            "form": String::from_utf8_lossy(request.body()),
            "authorization": authorization.and_then(|value| value.to_str().ok()),
        }));
    }
    let document = &world.documents[request.uri().to_string()];
    let Some(status) = document["status"].as_u64() else {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    };
    let mut response = Response::builder()
        .status(u16::try_from(status).unwrap_or_default())
        .header("content-type", text(document, "type"));
    if let Some(cache) = document["cache"].as_str() {
        response = response.header("cache-control", cache);
    }
    response
        .body(text(document, "body").as_bytes().to_vec())
        .map_err(std::io::Error::other)
}

/// The shared store of a case: its documents before the first call, and whether it works.
pub(super) struct Store {
    inner: InMemoryCache,
    /// The operation that fails: `read`, `write`, or none.
    fails: String,
}

impl Store {
    pub(super) fn of(case: &Value, world: &Shared) -> Option<Self> {
        let store = case["store"].as_object()?;
        let clock = Arc::clone(world);
        let now = move || UNIX_EPOCH + Duration::from_secs(locked(&clock).now);
        let inner = InMemoryCache::new(100).clock(now);
        let issuer = case["issuer"].as_str().unwrap_or(ISSUER);
        let keys_at = store.get("keys_at").and_then(Value::as_str).unwrap_or(JWKS);
        // The documents are ten seconds old at the first call.
        let fetched_at = case["before"][0]["now"].as_i64().unwrap_or(NOW) - 10;
        let metadata_at = format!("{issuer}.well-known/openid-configuration");
        for (name, key, url) in [
            ("metadata", "metadata", &*metadata_at),
            ("keys", "jwks", keys_at),
        ] {
            if let Some(document) = store.get(name) {
                // The name that `a0-discovery` uses. If it changes, nothing is found under this name,
                // and the test of a case's store in `own.rs` fails.
                let key = format!("a0-discovery:1:{key}:{issuer}");
                let entry = entry(document, url, fetched_at);
                // The store in memory does not fail.
                let _ = inner.set(&key, &entry, Duration::MAX);
            }
        }
        let fails = text(&case["store"], "fails").to_owned();
        Some(Store { inner, fails })
    }

    fn working(&self, to: &str) -> Result<(), CacheAdapterError> {
        if self.fails == to {
            return Err(CacheAdapterError::new("out of order"));
        }
        Ok(())
    }
}

/// Returns the documents of a case with those of the store in place of the issuer's, if both sides take
/// what the store has.
pub(super) fn documents(case: &Value) -> Option<Value> {
    let store = &case["store"];
    if store["is_taken"] != true {
        return None;
    }
    let mut documents = case["documents"].clone();
    for (name, url) in [("metadata", METADATA), ("keys", JWKS)] {
        if let Some(document) = store.get(name) {
            documents[url] = tenant::answer(document);
        }
    }
    Some(documents)
}

/// Returns the entry that this SDK writes for a document. The reference stores the document itself.
fn entry(document: &Value, url: &str, fetched_at: i64) -> String {
    match document {
        // Garbage stands for the whole entry.
        Value::String(garbage) => garbage.clone(),
        document => json!({
            "url": url, "requested_at": fetched_at.to_string(), "max_age": null,
            "body": document.to_string(),
        })
        .to_string(),
    }
}

impl CacheAdapter for Store {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        self.working("read")?;
        self.inner.get(key)
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        self.working("write")?;
        self.inner.set(key, value, ttl)
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        self.working("write")?;
        self.inner.set_if_absent(key, value, ttl)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        self.inner.delete(key)
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        self.inner.clear()
    }
}
