//! The second level: the requests it saves, and its failures and attacks that the cache survives.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, at, fetches, keys_of, policy, rules, unauthenticated};
use a0_discovery::{CacheAdapter, CacheAdapterError, KeyCache, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};
use serde_json::{Value, json};

/// A store whose entries a test can read and change, and that can fail.
#[derive(Default)]
struct Store {
    entries: Mutex<BTreeMap<String, (String, Duration)>>,
    broken: Mutex<bool>,
    reads: AtomicI64,
    /// Called before the first value is set.
    on_set: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Store {
    fn access<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<String, (String, Duration)>) -> T,
    ) -> Result<T, CacheAdapterError> {
        match *self.broken.lock().unwrap() {
            true => Err(CacheAdapterError::new("out of order")),
            false => Ok(act(&mut self.entries.lock().unwrap())),
        }
    }

    fn set_broken(&self, broken: bool) {
        *self.broken.lock().unwrap() = broken;
    }

    /// Changes the entry whose key contains `name`.
    fn change(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let mut entries = self.entries.lock().unwrap();
        let (_, (value, _)) = entries
            .iter_mut()
            .find(|(key, _)| key.contains(name))
            .unwrap();
        *value = change(value);
    }

    fn keys(&self) -> Vec<String> {
        self.entries.lock().unwrap().keys().cloned().collect()
    }
}

impl CacheAdapter for Store {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.access(|entries| entries.get(key).map(|(value, _)| value.clone()))
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        self.access(|entries| entries.insert(key.to_owned(), (value.to_owned(), ttl)))?;
        Ok(())
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let on_set = self.on_set.lock().unwrap().take();
        if let Some(on_set) = on_set {
            on_set();
        }
        let is_absent = self.access(|entries| !entries.contains_key(key))?;
        if is_absent {
            self.set(key, value, ttl)?;
        }
        Ok(is_absent)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        self.access(|entries| entries.remove(key)).map(|_| ())
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        self.access(BTreeMap::clear)
    }
}

/// One of several processes that share a store.
fn process(client: impl a0_http::HttpClient + 'static, store: &Arc<Store>) -> KeyCache {
    KeyCache::builder(rules(), Arc::new(client))
        .policy(policy())
        .adapter(Arc::clone(store), unauthenticated())
        .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()))
        .build()
}

fn world() -> (LocalTenant, Arc<Store>) {
    let tenant = LocalTenant::new("a.example").unwrap();
    (tenant, Arc::default())
}

#[test]
fn one_process_fetches_for_all() {
    let (tenant, store) = world();
    let processes = [0, 1, 2].map(|_| process(tenant.client(), &store));
    for (second, expected) in [(0, (1, 1)), (299, (1, 1)), (300, (2, 2)), (600, (3, 3))] {
        for process in &processes {
            let keys = keys_of(process, &tenant, second).unwrap();
            assert!(keys.keys().contains(&tenant.kid(), Algorithm::Rs256));
            assert_eq!(fetches(&tenant), expected, "{second}");
            assert_eq!(process.adapter_failures(), 0);
        }
    }
    // Entries live as long as their documents may be served.
    for (value, ttl) in store.entries.lock().unwrap().values() {
        assert_eq!(*ttl, policy().max_stale, "{value}");
    }
}

#[test]
fn a_process_started_in_an_outage_serves_stored_keys() {
    let (tenant, store) = world();
    keys_of(&process(tenant.client(), &store), &tenant, 0).unwrap();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        tenant.misbehave(endpoint, Fault::status(500));
    }
    let late = process(tenant.client(), &store);
    for second in [300, 3599] {
        assert!(keys_of(&late, &tenant, second).is_ok(), "{second}");
    }
    let status = late.status(at(3599)).remove(0);
    assert_eq!(
        status.last_success,
        Some(at(0)),
        "the age counts from the fetch"
    );
    let too_late = process(tenant.client(), &store);
    assert!(keys_of(&too_late, &tenant, 3600).is_err());
}

#[test]
fn a_key_that_another_process_stored_needs_no_request() {
    let (tenant, store) = world();
    let [first, second] = [0, 1].map(|_| process(tenant.client(), &store));
    for process in [&first, &second] {
        keys_of(process, &tenant, 0).unwrap();
    }
    tenant.replace_keys().unwrap();
    let (kid, issuer) = (tenant.kid(), normalize_domain("a.example").unwrap());
    for process in [&first, &second] {
        let keys = process
            .keys_with(&issuer, &kid, Algorithm::Rs256, at(10))
            .unwrap();
        assert!(keys.keys().contains(&kid, Algorithm::Rs256));
        assert_eq!(fetches(&tenant), (1, 2));
    }
    // A key that is not in the store either is requested from the issuer.
    second
        .keys_with(&issuer, "nobody's", Algorithm::Rs256, at(40))
        .unwrap();
    assert_eq!(fetches(&tenant), (1, 3));
}

/// The stored set may be older than the key, so only the issuer can tell whether it exists.
#[test]
fn a_cold_process_fetches_a_key_that_is_not_in_the_store() {
    let (tenant, store) = world();
    keys_of(&process(tenant.client(), &store), &tenant, 0).unwrap();
    let old = store.entries.lock().unwrap().clone();
    tenant.rotate_keys().unwrap();
    let (kid, issuer) = (tenant.kid(), normalize_domain("a.example").unwrap());
    for cold in 1..3 {
        *store.entries.lock().unwrap() = old.clone();
        let process = process(tenant.client(), &store);
        let keys = process
            .keys_with(&issuer, &kid, Algorithm::Rs256, at(200))
            .unwrap();
        assert!(keys.keys().contains(&kid, Algorithm::Rs256));
        assert_eq!(
            fetches(&tenant),
            (1, 1 + cold),
            "the stored metadata is reused"
        );
    }
    // While the issuer fails, the stored set does not prove that the key is unknown.
    *store.entries.lock().unwrap() = old;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        tenant.misbehave(endpoint, Fault::status(500));
    }
    for second in [200, 700, 1300] {
        let process = process(tenant.client(), &store);
        let outcome = process.keys_with(&issuer, &kid, Algorithm::Rs256, at(second));
        assert!(outcome.is_err(), "{second}");
    }
}

/// The cool-down protects the issuer, so a key found in the store does not start it.
#[test]
fn a_key_from_the_store_starts_no_cool_down() {
    let (tenant, store) = world();
    let [first, second] = [0, 1].map(|_| process(tenant.client(), &store));
    let issuer = normalize_domain("a.example").unwrap();
    for process in [&first, &second] {
        keys_of(process, &tenant, 0).unwrap();
    }
    for now in [10, 45] {
        tenant.rotate_keys().unwrap();
        let kid = tenant.kid();
        for process in [&first, &second] {
            let keys = process
                .keys_with(&issuer, &kid, Algorithm::Rs256, at(now))
                .unwrap();
            assert!(keys.keys().contains(&kid, Algorithm::Rs256));
        }
    }
    assert_eq!(fetches(&tenant), (1, 3));
    tenant.rotate_keys().unwrap();
    let keys = second
        .keys_with(&issuer, &tenant.kid(), Algorithm::Rs256, at(46))
        .unwrap();
    assert!(
        keys.keys().contains(&tenant.kid(), Algorithm::Rs256),
        "it had sent no request yet"
    );
}

#[test]
fn a_cold_process_serves_stored_keys_at_once() {
    let (tenant, store) = world();
    keys_of(&process(tenant.client(), &store), &tenant, 0).unwrap();
    // Beyond twice the TTL the issuer is asked first.
    for (second, expected) in [(1199, (1, 1)), (1200, (2, 2))] {
        let process = process(tenant.client(), &store);
        keys_of(&process, &tenant, second).unwrap();
        assert_eq!(fetches(&tenant), expected, "{second}");
    }
    // The next caller starts the refresh.
    let (tenant, store) = world();
    keys_of(&process(tenant.client(), &store), &tenant, 0).unwrap();
    let process = process(tenant.client(), &store);
    for (second, expected) in [(301, (1, 1)), (317, (2, 2))] {
        keys_of(&process, &tenant, second).unwrap();
        assert_eq!(fetches(&tenant), expected, "{second}");
    }
}

#[test]
fn a_process_reads_the_store_during_a_back_off() {
    let (tenant, store) = world();
    tenant.misbehave(Endpoint::Discovery, Fault::retry_after(429, 300));
    let refused = process(tenant.client(), &store);
    assert!(keys_of(&refused, &tenant, 0).is_err());
    tenant.recover(Endpoint::Discovery);
    keys_of(&process(tenant.client(), &store), &tenant, 1).unwrap();
    assert!(keys_of(&refused, &tenant, 2).is_ok());
    assert_eq!(fetches(&tenant), (2, 1));

    // It reads the store at most once a second.
    let empty = Arc::default();
    tenant.misbehave(Endpoint::Discovery, Fault::retry_after(429, 300));
    let cache = process(tenant.client(), &empty);
    for second in 0..10 {
        for _ in 0..100 {
            assert!(keys_of(&cache, &tenant, second).is_err());
        }
    }
    assert_eq!(empty.reads.load(Ordering::SeqCst), 10);
}

/// A slow write delays only the caller that writes.
#[test]
fn keys_are_served_before_they_are_stored() {
    let (tenant, store) = world();
    let (open, gate) = mpsc::channel::<()>();
    let (writes, is_writing) = mpsc::sync_channel(1);
    *store.on_set.lock().unwrap() = Some(Box::new(move || {
        writes.send(()).unwrap();
        let _ = gate.recv();
    }));
    let cache = process(tenant.client(), &store);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| keys_of(&cache, &tenant, 0).is_ok());
        is_writing.recv().unwrap();
        assert!(keys_of(&cache, &tenant, 0).is_ok());
        drop(open);
        assert!(writer.join().unwrap());
    });
    assert_eq!(fetches(&tenant), (1, 1));
}

#[test]
fn a_reload_bypasses_the_store_and_updates_it() {
    let (tenant, store) = world();
    let [first, second] = [0, 1].map(|_| process(tenant.client(), &store));
    keys_of(&first, &tenant, 0).unwrap();
    tenant.replace_keys().unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    first.reload(&issuer, at(10)).unwrap();
    assert_eq!(fetches(&tenant), (2, 2));
    let keys = keys_of(&second, &tenant, 10).unwrap();
    assert!(keys.keys().contains(&tenant.kid(), Algorithm::Rs256));
    assert_eq!(fetches(&tenant), (2, 2));
}

#[test]
fn a_failing_adapter_counts_as_empty() {
    let (tenant, store) = world();
    store.set_broken(true);
    let process = process(tenant.client(), &store);
    assert!(keys_of(&process, &tenant, 0).is_ok());
    assert_eq!(fetches(&tenant), (1, 1));
    // One read and two writes failed.
    assert_eq!(process.adapter_failures(), 3);
    let error = process.last_adapter_error().unwrap();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "out of order");
    store.set_broken(false);
    assert!(keys_of(&process, &tenant, 300).is_ok());
    assert_eq!((store.keys().len(), process.adapter_failures()), (2, 3));
}

/// An entry must pass every check of a fetched document, or it counts as absent.
#[test]
fn malformed_and_forged_entries_count_as_absent() {
    let edit = |member: &'static str, value: Value| {
        move |entry: &str| {
            let mut entry: Value = serde_json::from_str(entry).unwrap();
            entry[member] = value.clone();
            entry.to_string()
        }
    };
    let edit_body = |member: &'static str, value: Value| {
        move |entry: &str| {
            let mut entry: Value = serde_json::from_str(entry).unwrap();
            let mut body: Value = serde_json::from_str(entry["body"].as_str().unwrap()).unwrap();
            body[member] = value.clone();
            entry["body"] = body.to_string().into();
            entry.to_string()
        }
    };
    type Change = Box<dyn Fn(&str) -> String>;
    let padded = |entry: &str| {
        let mut entry: Value = serde_json::from_str(entry).unwrap();
        let body = entry["body"].as_str().unwrap();
        entry["body"] = format!("{body}{}", " ".repeat(1024 * 1024)).into();
        entry.to_string()
    };
    let without = |member: &'static str| {
        move |entry: &str| {
            let mut entry: Value = serde_json::from_str(entry).unwrap();
            entry.as_object_mut().unwrap().remove(member);
            entry.to_string()
        }
    };
    let twice = |entry: &str| entry.replacen('{', r#"{"body":"{}","#, 1);
    let mut changes: Vec<(&str, Change)> = vec![
        (
            "metadata",
            Box::new(edit_body("issuer", json!("https://evil.example/"))),
        ),
        (
            "metadata",
            Box::new(edit_body("jwks_uri", json!("https://evil.example/keys"))),
        ),
        (
            "metadata",
            Box::new(edit_body("jwks_uri", json!("http://a.example/keys"))),
        ),
        (
            "metadata",
            Box::new(edit_body("jwks_uri", json!("https://a.example/other"))),
        ),
        ("jwks", Box::new(edit_body("keys", json!([])))),
        (
            "jwks",
            Box::new(edit_body(
                "keys",
                json!([{"kty": "oct", "k": "AAAA", "kid": "a"}]),
            )),
        ),
        (
            "jwks",
            Box::new(edit("url", json!("https://a.example/other"))),
        ),
    ];
    for name in ["metadata", "jwks"] {
        let all: [Change; 22] = [
            Box::new(padded),
            Box::new(|_| String::new()),
            Box::new(|_| "null".into()),
            Box::new(|_| "[]".into()),
            Box::new(|_| "\u{0}".into()),
            Box::new(|entry| entry.replacen("{", "{,", 1)),
            Box::new(|entry| format!("{entry}{}", " ".repeat(8 * 1024 * 1024))),
            Box::new(twice),
            Box::new(without("url")),
            Box::new(without("body")),
            Box::new(without("requested_at")),
            Box::new(without("max_age")),
            Box::new(edit("url", json!("https://evil.example/"))),
            Box::new(edit("body", json!({}))),
            Box::new(edit("body", json!("x".repeat(1024 * 1024 + 1)))),
            Box::new(edit("requested_at", json!("now"))),
            Box::new(edit("requested_at", json!("NaN"))),
            Box::new(edit("requested_at", json!("inf"))),
            Box::new(edit("requested_at", json!(START))),
            Box::new(edit("requested_at", json!((START + 61).to_string()))),
            Box::new(edit("max_age", json!(-1))),
            Box::new(edit("max_age", json!(1.5))),
        ];
        changes.extend(all.into_iter().map(|change| (name, change)));
    }
    for (number, (name, change)) in changes.into_iter().enumerate() {
        let (tenant, store) = world();
        keys_of(&process(tenant.client(), &store), &tenant, 0).unwrap();
        store.change(name, change);
        let victim = process(tenant.client(), &store);
        let keys = keys_of(&victim, &tenant, 0).unwrap();
        assert!(keys.keys().contains(&tenant.kid(), Algorithm::Rs256));
        assert_eq!(fetches(&tenant), (2, 2), "{number} {name}");
        assert_eq!(victim.adapter_failures(), 1, "{number} {name}");
    }
}

#[test]
fn an_older_stored_set_does_not_replace_a_newer_one() {
    let (tenant, store) = world();
    let writer = process(tenant.client(), &store);
    keys_of(&writer, &tenant, 0).unwrap();
    let old = store.entries.lock().unwrap().clone();
    tenant.replace_keys().unwrap();
    let reader = process(tenant.client(), &store);
    let issuer = normalize_domain("a.example").unwrap();
    reader.reload(&issuer, at(10)).unwrap();
    *store.entries.lock().unwrap() = old;
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        tenant.misbehave(endpoint, Fault::status(500));
    }
    let keys = keys_of(&reader, &tenant, 310).unwrap();
    assert!(keys.keys().contains(&tenant.kid(), Algorithm::Rs256));
    assert_eq!(keys.requested_at(), at(10));
}

/// If stored keys are not enough, the issuer is asked. If it fails, the stored keys are served.
#[test]
fn insufficient_stored_keys_are_served_if_the_issuer_fails() {
    let (tenant, store) = world();
    let issuer = normalize_domain("a.example").unwrap();
    // Stale stored keys do not replace a request while there are keys in memory.
    let [first, second] = [0, 1].map(|_| process(tenant.client(), &store));
    keys_of(&first, &tenant, 0).unwrap();
    second.reload(&issuer, at(50)).unwrap();
    keys_of(&first, &tenant, 700).unwrap();
    assert_eq!(fetches(&tenant), (3, 3));
    // The stored keys are newer but lack the wanted key.
    second.reload(&issuer, at(710)).unwrap();
    tenant.replace_keys().unwrap();
    let keys = first
        .keys_with(&issuer, &tenant.kid(), Algorithm::Rs256, at(720))
        .unwrap();
    assert!(keys.keys().contains(&tenant.kid(), Algorithm::Rs256));
    assert_eq!(fetches(&tenant), (4, 5));
    // The stored keys are too old to replace a fetch, and the fetch fails.
    second.reload(&issuer, at(3000)).unwrap();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        tenant.misbehave(endpoint, Fault::status(500));
    }
    let served = keys_of(&first, &tenant, 4700).unwrap();
    assert_eq!(served.requested_at(), at(3000));
    assert_eq!(fetches(&tenant).0, 6);
}

#[test]
fn fresh_stored_documents_are_served_with_a_max_stale_of_zero() {
    let (tenant, store) = world();
    tenant.cache_control(None);
    let mut policy = policy();
    policy.max_stale = Duration::ZERO;
    for second in [0, 599] {
        let process = KeyCache::builder(rules(), Arc::new(tenant.client()))
            .policy(policy)
            .adapter(Arc::clone(&store), unauthenticated())
            .build();
        keys_of(&process, &tenant, second).unwrap();
        assert_eq!(fetches(&tenant), (1, 1));
    }
}

/// If an entry cannot be read, it may hold a newer document, so it is not replaced.
#[test]
fn an_unreadable_entry_is_not_replaced() {
    struct WriteOnly(AtomicI64);
    impl CacheAdapter for WriteOnly {
        fn get(&self, _: &str) -> Result<Option<String>, CacheAdapterError> {
            Err(CacheAdapterError::new("out of order"))
        }
        fn set(&self, _: &str, _: &str, _: Duration) -> Result<(), CacheAdapterError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
        fn set_if_absent(&self, _: &str, _: &str, _: Duration) -> Result<bool, CacheAdapterError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(true)
        }
        fn delete(&self, _: &str) -> Result<(), CacheAdapterError> {
            unreachable!("not needed")
        }
        fn clear(&self) -> Result<(), CacheAdapterError> {
            unreachable!("not needed")
        }
    }
    let (tenant, _) = world();
    let store = Arc::new(WriteOnly(AtomicI64::new(0)));
    let process = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy())
        .adapter(Arc::clone(&store), unauthenticated())
        .build();
    keys_of(&process, &tenant, 0).unwrap();
    assert_eq!(store.0.load(Ordering::SeqCst), 0);
    assert_eq!(process.adapter_failures(), 3);
}

#[test]
fn issuers_share_no_entry() {
    let network = LocalNetwork::new();
    let tenants = ["a.example", "b.example"].map(|domain| network.tenant(domain).unwrap());
    let store = Arc::default();
    for _ in 0..2 {
        let process = process(network.client(), &store);
        for tenant in &tenants {
            let keys = keys_of(&process, tenant, 0).unwrap();
            assert_eq!(
                *keys.metadata().unwrap().get("issuer").unwrap(),
                tenant.issuer()
            );
            assert_eq!(fetches(tenant), (1, 1));
        }
    }
    let keys = store.keys();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| key.starts_with("a0-discovery:")));
}

#[test]
fn nothing_is_stored_for_a_lifetime_of_zero() {
    let (tenant, store) = world();
    let mut policy = policy();
    (policy.ttl, policy.max_stale) = (Duration::ZERO, Duration::ZERO);
    let process = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy)
        .adapter(Arc::clone(&store), unauthenticated())
        .build();
    keys_of(&process, &tenant, 0).unwrap();
    assert_eq!(store.keys(), [""; 0]);

    // With a `max_stale` of zero, an entry lives as long as it is fresh.
    policy.ttl = Duration::from_secs(60);
    let process = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy)
        .adapter(Arc::clone(&store), unauthenticated())
        .build();
    keys_of(&process, &tenant, 0).unwrap();
    let entries = store.entries.lock().unwrap();
    assert!(entries.len() == 2 && entries.values().all(|(_, ttl)| *ttl == policy.ttl));
}
