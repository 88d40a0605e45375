//! The functions that need no client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::discovery::{CacheAdapterError, InMemoryCache, max_age};
use auth0_api::jose::{Jwk, unverified_header, unverified_payload};
use auth0_api::{CacheAdapter, get_current_actor, get_delegation_chain, normalize_domain};
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use super::{Refusal, text};

/// The default of the client, in bytes.
const MAX_TOKEN_SIZE: usize = 16 << 10;

/// The keys that a case of the cache ends with a look at.
const CACHE_KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// Returns the outcome of a helper, or `None` for a call of the client.
pub(super) fn helped(case: &Value) -> Option<Result<Value, Refusal>> {
    let no_claims = Map::new();
    let claims = case["claims"].as_object().unwrap_or(&no_claims);
    let plain = |error: &dyn std::fmt::Display| Refusal::Plain("BaseAuth", error.to_string());
    let actor =
        |error: auth0_api::act::ActError| Refusal::Plain("VerifyAccessToken", error.to_string());
    let outcome = match text(case, "call") {
        "normalize_domain" => normalize_domain(text(case, "text"))
            .map(|issuer| issuer.as_str().into())
            .map_err(|error| plain(&error)),
        "get_current_actor" => get_current_actor(claims)
            .map(|current| json!(current.map(|actor| actor.sub())))
            .map_err(actor),
        "get_delegation_chain" => get_delegation_chain(claims)
            .map(|chain| chain.iter().map(|actor| actor.sub()).collect())
            .map_err(actor),
        "calculate_jwk_thumbprint" => {
            let key = case["key"].as_object().unwrap_or(&no_claims);
            let key = Jwk::from_object(key).map_err(|error| plain(&error));
            key.map(|key| key.thumbprint().to_string().into())
        }
        "get_unverified_header" => unverified_header(text(case, "token"), MAX_TOKEN_SIZE)
            .map(Value::Object)
            .map_err(|error| plain(&error)),
        "get_unverified_payload" => unverified_payload(text(case, "token"), MAX_TOKEN_SIZE)
            .map(Value::Object)
            .map_err(|error| plain(&error)),
        "InMemoryCache" => cached(case).map_err(|error| plain(&error)),
        "parse_cache_control_max_age" => {
            let fields = text(case, "text")
                .parse()
                .map(|field| (CACHE_CONTROL, field));
            let age = max_age(&fields.into_iter().collect());
            Ok(json!(age.map(|age| age.as_secs())))
        }
        _ => return None,
    };
    Some(outcome)
}

/// Returns what a cache returns at each `get` of the case, and for each key at the end.
fn cached(case: &Value) -> Result<Value, CacheAdapterError> {
    let now = Arc::new(AtomicU64::new(case["now"].as_u64().unwrap_or_default()));
    let clock = Arc::clone(&now);
    let limit = case["max_entries"].as_u64().unwrap_or_default();
    let cache = InMemoryCache::new(usize::try_from(limit).unwrap_or_default())
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    let steps = case["steps"].as_array().into_iter().flatten().cloned();
    let last = CACHE_KEYS.map(|key| json!(["get", key]));
    let mut seen = json!({});
    for (at, step) in steps.chain(last).enumerate() {
        let key = step[1].as_str().unwrap_or_default();
        match step[0].as_str().unwrap_or_default() {
            "get" => seen[format!("{at} {key}")] = cache.get(key)?.into(),
            "set" => {
                let ttl = step[3].as_u64().map_or(Duration::MAX, Duration::from_secs);
                cache.set(key, step[2].as_str().unwrap_or_default(), ttl)?;
            }
            "delete" => cache.delete(key)?,
            "clear" => cache.clear()?,
            _ => {
                now.fetch_add(step[1].as_u64().unwrap_or_default(), Ordering::Relaxed);
            }
        }
    }
    Ok(seen)
}
