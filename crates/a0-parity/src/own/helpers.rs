//! The functions that need no client.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::discovery::{CacheAdapterError, InMemoryCache, max_age};
use auth0_api::jose::{Jwk, unverified_header, unverified_payload};
use auth0_api::{CacheAdapter, get_current_actor, get_delegation_chain, normalize_domain};
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use super::{Refusal, text};

/// The default of the client, in bytes.
const MAX_TOKEN_SIZE: usize = 16 << 10;

/// The keys that a case of the cache ends with a look at.
const CACHE_KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// Returns the value of a helper, or `None` for a call of the client.
pub(super) fn helped(case: &Value) -> Result<Option<Value>, Refusal> {
    let object = |name: &str| case[name].as_object().cloned().unwrap_or_default();
    let (claims, key, token) = (object("claims"), object("key"), text(case, "token"));
    Ok(Some(match text(case, "call") {
        "normalize_domain" => base(normalize_domain(text(case, "text")))?.as_str().into(),
        "get_current_actor" => json!(act(get_current_actor(&claims))?.map(|actor| actor.sub())),
        "get_delegation_chain" => {
            let chain = act(get_delegation_chain(&claims))?;
            chain.iter().map(|actor| actor.sub()).collect()
        }
        "calculate_jwk_thumbprint" => base(Jwk::from_object(&key))?
            .thumbprint()
            .to_string()
            .into(),
        "get_unverified_header" => base(unverified_header(token, MAX_TOKEN_SIZE))?.into(),
        "get_unverified_payload" => base(unverified_payload(token, MAX_TOKEN_SIZE))?.into(),
        "InMemoryCache" => base(cached(case))?,
        "parse_cache_control_max_age" => {
            let field = text(case, "text").parse();
            let fields = field.into_iter().map(|field| (CACHE_CONTROL, field));
            json!(max_age(&fields.collect()).map(|age| age.as_secs()))
        }
        _ => return Ok(None),
    }))
}

fn base<T>(result: Result<T, impl Display>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::Plain("BaseAuth", error.to_string()))
}

fn act<T>(result: Result<T, impl Display>) -> Result<T, Refusal> {
    result.map_err(|error| Refusal::Plain("VerifyAccessToken", error.to_string()))
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
