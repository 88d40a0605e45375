//! Counters, a histogram and a gauge of the crate `metrics` (feature `metrics`).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::verification::request::Scheme;

use super::Observer;
use super::event::{Event, KeysRefresh, Verification};

const DECISIONS: &str = "auth0_api_decisions_total";
const DENIALS: &str = "auth0_api_denials_total";
const DURATION: &str = "auth0_api_verify_duration_seconds";
const REFRESHES: &str = "auth0_api_keys_refresh_total";
const REFUSED_ENTRIES: &str = "auth0_api_shared_entries_refused_total";
const AGE: &str = "auth0_api_keys_age_seconds";
const REPLAY: &str = "auth0_api_replay_total";
const TOKEN_CACHE: &str = "auth0_api_token_cache_total";
const EXCHANGES: &str = "auth0_api_token_exchange_total";
const WITHOUT_URL: &str = "auth0_api_requests_without_url_total";

/// The value of a label that does not apply.
const NONE: &str = "none";

/// More hosts than these share the label [`OTHER_HOST`].
const MAX_HOSTS: usize = 100;

const OTHER_HOST: &str = "other";

/// How often the ages of keys are brought up to date at most.
const AGE_INTERVAL: Duration = Duration::from_secs(1);

/// Feeds the crate `metrics` (feature `metrics`).
///
/// docs/observability.md lists the names and the labels. Every label has a bounded set of values, whatever
/// clients send.
///
/// ```
/// use auth0_api::ApiClient;
/// use auth0_api::observer::MetricsObserver;
///
/// // Install the recorder of an exporter first.
/// let client = ApiClient::builder()
///     .domain("tenant.example")
///     .audience("https://api.example/")
///     .observer(MetricsObserver::new())
///     .build()?;
/// # let _ = client;
/// # Ok::<(), auth0_api::Error>(())
/// ```
pub struct MetricsObserver {
    hosts: Mutex<Hosts>,
}

struct Hosts {
    /// The hosts that have a label of their own, and the age of their keys if there are any.
    known: HashMap<String, Option<Age>>,
    /// When the gauges were set.
    set_at: Instant,
}

/// The age of the keys of a host at a moment.
struct Age {
    age: Duration,
    at: Instant,
}

impl MetricsObserver {
    /// Creates an observer, and describes the metrics to the recorder that is installed.
    pub fn new() -> Self {
        let unit = Unit::Count;
        describe_counter!(
            DECISIONS,
            unit,
            "Verifications by outcome, scheme and reason"
        );
        describe_counter!(
            DENIALS,
            unit,
            "Verified tokens that a policy did not allow, by outcome, scheme and reason"
        );
        describe_histogram!(DURATION, Unit::Seconds, "How long verifications took");
        describe_counter!(
            REFRESHES,
            unit,
            "Refreshes of the keys of an issuer by result"
        );
        describe_counter!(
            REFUSED_ENTRIES,
            unit,
            "Entries of the shared cache of keys that were ignored, by reason"
        );
        describe_gauge!(AGE, Unit::Seconds, "The age of the keys of an issuer");
        describe_counter!(REPLAY, unit, "Replay checks of DPoP proofs by result");
        describe_counter!(
            TOKEN_CACHE,
            unit,
            "Lookups in the cache of verified tokens by result"
        );
        describe_counter!(EXCHANGES, unit, "Client flows by result");
        describe_counter!(
            WITHOUT_URL,
            unit,
            "DPoP requests refused because the API passed no URL or no method"
        );
        MetricsObserver {
            hosts: Mutex::new(Hosts {
                known: HashMap::new(),
                set_at: Instant::now(),
            }),
        }
    }

    fn verification(&self, end: &Verification<'_>) {
        let labels = [
            ("outcome", end.outcome.as_str()),
            ("scheme", end.scheme.map_or(NONE, Scheme::label)),
            ("reason", end.reason.unwrap_or(NONE)),
        ];
        counter!(DECISIONS, &labels).increment(1);
        histogram!(DURATION).record(end.duration);
        self.set_ages(AGE_INTERVAL);
    }

    fn keys_refresh(&self, end: &KeysRefresh<'_>) {
        let has_label = self.lock().update(end.issuer_host, end.keys_age);
        let host = if has_label {
            end.issuer_host
        } else {
            OTHER_HOST
        };
        let labels = [
            ("issuer_host", host.to_owned()),
            ("result", end.result.as_str().to_owned()),
        ];
        counter!(REFRESHES, &labels).increment(1);
        for entry in end.refused_entries {
            counter!(REFUSED_ENTRIES, "reason" => entry.reason.as_str()).increment(1);
        }
        self.set_ages(Duration::ZERO);
    }

    /// Sets the gauges, unless they were set less than `interval` ago. No lock is held meanwhile, because
    /// the recorder is code of the program.
    fn set_ages(&self, interval: Duration) {
        let ages = self.lock().ages(interval);
        for (host, age) in ages {
            gauge!(AGE, "issuer_host" => host).set(age.as_secs_f64());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hosts {
    /// Returns whether the host has a label of its own. There may be too many already.
    fn update(&mut self, host: &str, age: Option<Duration>) -> bool {
        if !self.known.contains_key(host) {
            if self.known.len() >= MAX_HOSTS {
                return false;
            }
            self.known.insert(host.to_owned(), None);
        }
        if let (Some(known), Some(age)) = (self.known.get_mut(host), age) {
            let at = Instant::now();
            *known = Some(Age { age, at });
        }
        true
    }

    /// The ages now, if the gauges were not set within `interval`.
    fn ages(&mut self, interval: Duration) -> Vec<(String, Duration)> {
        if self.set_at.elapsed() < interval {
            return Vec::new();
        }
        self.set_at = Instant::now();
        let known = self.known.iter();
        let ages = known.filter_map(|(host, age)| Some((host, age.as_ref()?)));
        ages.map(|(host, age)| (host.clone(), age.age.saturating_add(age.at.elapsed())))
            .collect()
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        MetricsObserver::new()
    }
}

impl Observer for MetricsObserver {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Verification(end) => self.verification(end),
            Event::Denial(denial) => {
                let labels = [
                    ("outcome", denial.outcome.as_str()),
                    ("scheme", denial.scheme.label()),
                    ("reason", denial.reason),
                ];
                counter!(DENIALS, &labels).increment(1);
            }
            Event::KeysRefresh(end) => self.keys_refresh(end),
            Event::Replay(result) => {
                counter!(REPLAY, "result" => result.as_str()).increment(1);
            }
            Event::TokenCache(lookup) => {
                counter!(TOKEN_CACHE, "result" => lookup.as_str()).increment(1);
            }
            Event::TokenExchange(end) => {
                let labels = [("flow", end.flow.as_str()), ("result", end.result.as_str())];
                counter!(EXCHANGES, &labels).increment(1);
            }
            Event::RequestWithoutUrl { .. } => counter!(WITHOUT_URL).increment(1),
        }
    }
}
