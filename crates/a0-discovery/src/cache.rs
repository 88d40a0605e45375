//! Keys in memory: who fetches them, who waits, and who is served meanwhile.

use std::fmt;
use std::sync::Arc;

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;

use crate::adapter::{CacheAdapter, CacheAdapterError};
use crate::errand::{KeysErrand, Want};
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchMetadata, FetchRules, IssuerKeys, ServerMetadata};
use crate::flight::Flight;
use crate::issuer::Issuer;
use crate::lookup::{Goal, Todo};
use crate::memory::{Fetcher, KeyCacheBuilder, Memory};
use crate::second_level::Entry;
use crate::status::IssuerStatus;

/// The keys of issuers, each issuer's apart from all others'. Cheap to clone; clones share the keys.
///
/// For each issuer there is one fetch at a time, whoever wants its keys: the others wait for that
/// fetch and share what it gives, a failure too. Callers of other issuers never wait for it. What is
/// served when is the [`CachePolicy`](crate::CachePolicy)'s.
#[derive(Clone)]
pub struct KeyCache(Arc<Blocking>);

type Blocking = Memory<dyn HttpClient, dyn CacheAdapter>;

impl KeyCacheBuilder {
    /// A second level behind the memory: it is read before a fetch, and written after one.
    pub fn adapter(self, adapter: impl CacheAdapter + 'static) -> Self {
        self.with_adapter(Arc::new(adapter))
    }

    /// An empty cache.
    pub fn build(self) -> KeyCache {
        KeyCache(Arc::new(self.memory()))
    }
}

impl KeyCache {
    /// A cache that fetches with `client`.
    pub fn builder(rules: FetchRules, client: Arc<dyn HttpClient>) -> KeyCacheBuilder {
        KeyCacheBuilder::new(rules, client)
    }

    /// The keys of `issuer`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where none could be fetched and none may be served.
    pub fn keys(&self, issuer: &Issuer, now: NumericDate) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Fresh, now)
    }

    /// The keys of `issuer`, fetched once more, within the policy's limits, if there is none among
    /// them for this `kid` and algorithm. Whether there is one then is for the caller to see.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], also where that fetch fails, or the last one did and it is too early for
    /// another: then nobody knows whether the issuer has such a key.
    pub fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Key(key_id, algorithm), now)
    }

    /// Where the token endpoint of `issuer` is (RFC 8414 section 2): of the issuer's own origin, or of
    /// a trusted one. The metadata is that of its keys, or is fetched alone.
    ///
    /// # Errors
    ///
    /// [`TokenEndpointError`].
    pub fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(known) = self.0.known_token_endpoint(issuer, now) {
            return known;
        }
        let slot = self.0.metadata_slot(issuer);
        let mut lookup = self.0.metadata_lookup(&slot, now);
        let found = loop {
            match lookup.next() {
                Todo::Return(found) => break found,
                Todo::Wait(round) => slot.wait(round),
                Todo::Fetch(flight, _) => {
                    let fetcher = &self.0.fetcher;
                    fetcher.metadata(flight, &*fetcher.client, issuer, now);
                }
                Todo::Behind(flight) => {
                    let issuer = issuer.clone();
                    self.behind(move |fetcher, client| {
                        fetcher.metadata(flight, client, &issuer, now);
                    });
                }
            }
        };
        self.0.token_endpoint(found, issuer, now)
    }

    /// Fetches the keys of `issuer` from the issuer itself, whatever is in memory or behind it, and
    /// replaces what was there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; what is in memory is then served as before.
    pub fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Newest, now)
    }

    /// What is known of every issuer that this cache was asked about, as far as it is in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.0.status(now)
    }

    /// How often the adapter failed, or held something that could not be used.
    pub fn adapter_misses(&self) -> u64 {
        self.0.misses().count()
    }

    /// The last error of the adapter.
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.0.misses().last_error()
    }

    fn look_up(
        &self,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let fetcher = &self.0.fetcher;
        let slot = self.0.keys_slot(issuer);
        let mut lookup = self.0.keys_lookup(&slot, goal, now);
        loop {
            match lookup.next() {
                Todo::Return(answer) => return answer,
                Todo::Wait(round) => slot.wait(round),
                Todo::Fetch(flight, goal) => {
                    fetcher.keys(flight, &*fetcher.client, issuer, goal, now);
                }
                Todo::Behind(flight) => {
                    let issuer = issuer.clone();
                    self.behind(move |fetcher, client| {
                        fetcher.keys(flight, client, &issuer, Goal::Fresh, now);
                    });
                }
            }
        }
    }

    /// Carries out a round on a thread of its own, with a client that asks for nothing more once the
    /// last clone of this cache is gone.
    fn behind(
        &self,
        round: impl FnOnce(&Fetcher<dyn HttpClient, dyn CacheAdapter>, &dyn HttpClient) + Send + 'static,
    ) {
        let cache = Arc::downgrade(&self.0);
        let fetcher = Arc::clone(&self.0.fetcher);
        let work = move || {
            let client = |request: Request<Vec<u8>>| match cache.strong_count() {
                0 => Err(TransportError::from(TransportErrorKind::Other)),
                _ => fetcher.client.exchange(request),
            };
            round(&fetcher, &client);
        };
        // Where no thread can be had, the round is dropped with its work, and the next one is tried
        // when another may start.
        let _ = std::thread::Builder::new()
            .name("a0-discovery".into())
            .spawn(work);
    }
}

impl Fetcher<dyn HttpClient, dyn CacheAdapter> {
    /// Carries out a round with `client`, which is this one's own but for refreshes that may have to
    /// end early.
    fn keys(
        &self,
        flight: Flight<IssuerKeys>,
        client: &dyn HttpClient,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let in_memory = flight.in_hand();
        let mut want = KeysErrand::begin(&self.rules, issuer, goal, in_memory, now);
        loop {
            want = match want {
                Want::Read(key, errand) => errand.read(self.read(&key)),
                Want::Ask(request, errand) => errand.answered(client.exchange(request)),
                Want::Done(outcome, entries) => {
                    flight.finish(outcome, self.now());
                    return entries.iter().for_each(|entry| self.write(entry));
                }
            };
        }
    }

    fn metadata(
        &self,
        flight: Flight<ServerMetadata>,
        client: &dyn HttpClient,
        issuer: &Issuer,
        now: NumericDate,
    ) {
        let fetched =
            FetchMetadata::start(issuer.clone(), now).and_then(|step| a0_http::drive(client, step));
        flight.finish(fetched.into(), self.now());
    }

    fn read(&self, key: &str) -> Option<String> {
        let entry = self.adapter.as_ref()?.get(key);
        self.rules.misses.answered(entry)?
    }

    fn write(&self, entry: &Entry) {
        if let Some(adapter) = &self.adapter {
            let written = adapter.set(&entry.key, &entry.value, entry.ttl);
            self.rules.misses.answered(written);
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
