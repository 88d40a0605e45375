//! What the feature `metrics` records, as a recorder sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use a0_testkit::{LocalTenant, ProofKey};
use auth0_api::discovery::InMemoryCache;
use auth0_api::observer::MetricsObserver;
use auth0_api::{
    ApiClient, Builder, CacheAdapter, EntryKeys, Policy, RequestContext, ResolverContext,
    TokenExchange,
};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

const AUDIENCE: &str = "https://api.example/";

/// Keeps everything in memory.
#[derive(Default)]
struct Memory {
    described: Mutex<BTreeSet<String>>,
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    histograms: Mutex<BTreeMap<String, Arc<Samples>>>,
}

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

fn text(key: &Key) -> String {
    let labels: Vec<String> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Memory {
    fn describe(&self, name: KeyName) {
        self.described
            .lock()
            .unwrap()
            .insert(name.as_str().to_owned());
    }

    fn counters(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.lock().unwrap();
        let counters = counters.iter();
        counters
            .map(|(key, value)| (key.clone(), value.load(Ordering::Relaxed)))
            .collect()
    }

    fn gauge(&self, key: &str) -> Option<f64> {
        let gauges = self.gauges.lock().unwrap();
        Some(f64::from_bits(gauges.get(key)?.load(Ordering::Relaxed)))
    }

    fn samples(&self, key: &str) -> Vec<f64> {
        self.histograms.lock().unwrap()[key]
            .0
            .lock()
            .unwrap()
            .clone()
    }

    /// Every name and label.
    fn keys(&self) -> Vec<String> {
        let counters = self.counters.lock().unwrap().keys().cloned().collect();
        let gauges = self.gauges.lock().unwrap().keys().cloned().collect();
        let histograms = self.histograms.lock().unwrap().keys().cloned().collect();
        [counters, gauges, histograms]
            .into_iter()
            .flat_map(|keys: Vec<String>| keys)
            .collect()
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.describe(name);
    }

    fn describe_gauge(&self, name: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.describe(name);
    }

    fn describe_histogram(&self, name: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.describe(name);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(Arc::clone(counters.entry(text(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().unwrap();
        Gauge::from_arc(Arc::clone(gauges.entry(text(key)).or_default()))
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        let mut histograms = self.histograms.lock().unwrap();
        Histogram::from_arc(Arc::clone(histograms.entry(text(key)).or_default()))
    }
}

fn recorded(work: impl FnOnce(&Memory)) {
    let memory = Memory::default();
    metrics::with_local_recorder(&memory, || work(&memory));
}

fn builder(tenant: &LocalTenant) -> Builder {
    let clock = tenant.clone();
    ApiClient::builder()
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .clock(move || clock.now())
        .observer(MetricsObserver::new())
}

fn tenant() -> LocalTenant {
    LocalTenant::new("tenant.example").unwrap()
}

fn bearer(token: &str) -> RequestContext<'static> {
    RequestContext::new().header("Authorization", format!("Bearer {token}"))
}

#[test]
fn metrics_have_the_documented_names_and_labels() {
    recorded(|memory| {
        let tenant = tenant();
        tenant.register_client("id", "secret");
        let client = builder(&tenant)
            .domain(tenant.domain())
            .client_id("id")
            .client_secret("secret")
            .token_cache(10)
            .build()
            .unwrap();
        let key = ProofKey::generate().unwrap();
        let token = || tenant.access_token().audience(AUDIENCE);
        let good = token().mint().unwrap();
        let bound = token().bound_to(&key).mint().unwrap();
        let proof = key.proof("GET", "https://api.example/a").for_token(&bound);
        let proof = proof.at(tenant.now()).mint().unwrap();
        let dpop = || {
            RequestContext::new()
                .method("GET")
                .header("Authorization", format!("DPoP {bound}"))
                .header("DPoP", &*proof)
        };
        client.verify_request(bearer(&good)).unwrap();
        let verified = client.verify_request(bearer(&good)).unwrap();
        client
            .authorize(&verified, &Policy::scope("admin"))
            .unwrap_err();
        client.verify_request(RequestContext::new()).unwrap_err();
        client.verify_request(bearer("opaque")).unwrap_err();
        client
            .verify_request(dpop().url("https://api.example/a"))
            .unwrap();
        client
            .verify_request(dpop().url("https://api.example/a"))
            .unwrap_err();
        client.verify_request(dpop()).unwrap_err();
        let exchange = TokenExchange::new("subject", "urn:example:legacy").audience("a");
        client.get_token_by_exchange_profile(&exchange).unwrap();
        let counters: Vec<(String, u64)> = memory.counters().into_iter().collect();
        let expected = [
            (
                "auth0_api_decisions_total{outcome=accepted,scheme=bearer,reason=none}",
                2,
            ),
            (
                "auth0_api_decisions_total{outcome=accepted,scheme=dpop,reason=none}",
                1,
            ),
            (
                "auth0_api_decisions_total{outcome=missing,scheme=none,reason=credentials_missing}",
                1,
            ),
            (
                "auth0_api_decisions_total{outcome=refused,scheme=bearer,reason=token_not_a_jwt}",
                1,
            ),
            (
                "auth0_api_decisions_total{outcome=refused,scheme=dpop,reason=proof_replayed}",
                1,
            ),
            (
                "auth0_api_decisions_total{outcome=refused,scheme=dpop,reason=request_without_url}",
                1,
            ),
            (
                "auth0_api_denials_total{outcome=refused,scheme=bearer,reason=insufficient_scope}",
                1,
            ),
            (
                "auth0_api_keys_refresh_total{issuer_host=tenant.example,result=fetched}",
                1,
            ),
            ("auth0_api_replay_total{result=first}", 1),
            ("auth0_api_replay_total{result=replayed}", 1),
            ("auth0_api_requests_without_url_total{}", 1),
            ("auth0_api_token_cache_total{result=hit}", 2),
            ("auth0_api_token_cache_total{result=miss}", 2),
            (
                "auth0_api_token_exchange_total{flow=exchange_profile,result=issued}",
                1,
            ),
        ];
        let expected = expected.map(|(key, count)| (key.to_owned(), count));
        assert_eq!(counters, expected);
        let durations = memory.samples("auth0_api_verify_duration_seconds{}");
        assert_eq!(durations.len(), 7);
        assert!(
            durations
                .iter()
                .all(|seconds| (0.0..60.0).contains(seconds))
        );
        let age = memory.gauge("auth0_api_keys_age_seconds{issuer_host=tenant.example}");
        assert!((0.0..60.0).contains(&age.unwrap()));
        // Everything that can be recorded is described.
        let described = memory.described.lock().unwrap();
        for key in memory.keys() {
            assert!(described.contains(key.split('{').next().unwrap()), "{key}");
        }
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/observability.md");
        let page = std::fs::read_to_string(page).unwrap();
        for name in described.iter() {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    });
}

#[test]
fn ignored_entries_of_a_shared_cache_are_counted_by_reason() {
    recorded(|memory| {
        let tenant = tenant();
        let shared = InMemoryCache::new(10);
        let name = format!("a0-discovery:2:metadata:{}", tenant.issuer());
        shared
            .set(&name, "planted", Duration::from_secs(60))
            .unwrap();
        let keys = EntryKeys::new([7; 32]).unwrap();
        let client = builder(&tenant).domain(tenant.domain());
        let client = client.cache(shared, keys).build().unwrap();
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        client.verify_request(bearer(&token)).unwrap();
        let name = "auth0_api_shared_entries_refused_total{reason=not_authentic}";
        assert_eq!(memory.counters()[name], 1);
    });
}

/// A recorder is code of the program, and may use the client itself.
#[test]
fn no_lock_is_held_while_the_recorder_runs() {
    /// Asks the client whenever a metric is used, but not while it asks.
    struct Asking(Memory, OnceLock<ApiClient>, AtomicBool);

    impl Asking {
        fn ask(&self) {
            if let Some(client) = self.1.get()
                && !self.2.swap(true, Ordering::Relaxed)
            {
                drop(client.verify_request(bearer("opaque")));
                drop(client.reload("tenant.example"));
                self.2.store(false, Ordering::Relaxed);
            }
        }
    }

    impl Recorder for Asking {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
            self.ask();
            self.0.register_counter(key, metadata)
        }

        fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
            self.ask();
            self.0.register_gauge(key, metadata)
        }

        fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
            self.ask();
            self.0.register_histogram(key, metadata)
        }
    }

    // A lock that is taken twice blocks this thread for ever.
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let recorder = Asking(Memory::default(), OnceLock::new(), AtomicBool::new(false));
        metrics::with_local_recorder(&recorder, || {
            let tenant = tenant();
            let client = builder(&tenant).domain(tenant.domain()).build().unwrap();
            assert!(recorder.1.set(client.clone()).is_ok());
            let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
            client.verify_request(bearer(&token)).unwrap();
            let counts = client.counts();
            assert!(
                counts.refused > 0 && counts.keys_refreshes > 1,
                "{counts:?}"
            );
            assert_eq!(counts.observer_panics, 0);
        });
        done.send(()).unwrap();
    });
    is_done
        .recv_timeout(std::time::Duration::from_secs(60))
        .expect("a lock is held while the recorder runs");
}

/// The resolver accepts every issuer, as no resolver should.
#[test]
fn labels_have_a_bounded_number_of_values() {
    recorded(|memory| {
        let tenant = tenant();
        let resolver = |context: &ResolverContext<'_>| {
            let host = context.unverified_iss().trim_start_matches("https://");
            Ok::<_, &str>(vec![host.trim_end_matches('/').to_owned()])
        };
        let client = builder(&tenant).domains_resolver(resolver).build().unwrap();
        for index in 0..1000 {
            let mark = format!("canary-{index}\r\n\u{1b}[31m");
            let token = tenant
                .access_token()
                .audience(AUDIENCE)
                .kid(&mark)
                .subject(&mark)
                .claim("iss", format!("https://tenant-{index}.example/"))
                .mint()
                .unwrap();
            client.verify_request(bearer(&token)).unwrap_err();
            let hostile = tenant
                .access_token()
                .claim("iss", format!("https://{mark}/"));
            let hostile = hostile.mint().unwrap();
            client.verify_request(bearer(&hostile)).unwrap_err();
        }
        let keys = memory.keys();
        let hosts = keys
            .iter()
            .filter(|key| key.starts_with("auth0_api_keys_refresh_total"));
        assert_eq!(hosts.count(), 101);
        assert!(keys.iter().any(|key| key.contains("issuer_host=other")));
        assert!(keys.len() < 120, "{keys:?}");
        for key in &keys {
            assert!(!key.contains("canary"), "{key}");
            assert!(key.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
        let refreshes = memory.counters();
        let refreshes = refreshes
            .iter()
            .filter(|(key, _)| key.contains("keys_refresh"));
        assert_eq!(refreshes.map(|(_, count)| count).sum::<u64>(), 1000);
    });
}
