//! One round: what it reads and requests, in which order, and its result. It does no input or
//! output.

use std::sync::Arc;

use a0_http::{Conversation, TransportError};
use a0_jose::{Algorithm, NumericDate};
use http::{Request, Response};

use super::flight::{Permits, WantedKey};
use super::record::{Outcome, Purpose};
use super::second_level::{AdapterFailures, Entry, decode, encode, key};
use crate::error::{Document, FetchError};
use crate::fetch::{
    FetchKeys, FetchMetadata, FetchRules, FetchedKeys, IssuerKeys, KeySource, ServerMetadata,
};
use crate::issuer::Issuer;
use crate::policy::{CachePolicy, Stamp, elapsed};

/// The parts that all rounds of a cache share.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) fetch: Arc<FetchRules>,
    pub(crate) policy: CachePolicy,
    pub(crate) has_second_level: bool,
    pub(crate) adapter_failures: AdapterFailures,
    pub(crate) permits: Arc<Permits>,
}

/// The next action of a round's driver, and the function that takes the result.
pub(crate) enum Step<'r, T> {
    /// Read the entry of this key from the second level.
    Read(String, Then<'r, Option<String>, T>),
    /// Send this request.
    Exchange(Request<Vec<u8>>, Then<'r, ExchangeResult, T>),
    /// End the round with this outcome, then write these entries to the second level.
    Done(Outcome<T>, Vec<Entry>),
}

pub(crate) type Then<'r, A, T> = Box<dyn FnOnce(A) -> Step<'r, T> + Send + 'r>;

type ExchangeResult = Result<Response<Vec<u8>>, TransportError>;

/// The inputs of a round for `issuer`.
pub(crate) struct Plan<'r, T> {
    pub(crate) rules: &'r Rules,
    pub(crate) issuer: &'r Issuer,
    pub(crate) purpose: Purpose,
    /// The key that a search looks for.
    pub(crate) wanted: Option<WantedKey>,
    pub(crate) now: NumericDate,
    /// The value that the round may replace.
    pub(crate) current: Option<Arc<T>>,
    /// Whether the dates of the current value are reliable.
    pub(crate) has_known_age: bool,
}

/// A value that a round can fetch.
pub(crate) trait Fetchable: Cached {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self>;
}

impl Fetchable for ServerMetadata {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self> {
        run_conversation(
            FetchMetadata::start(plan.issuer.clone(), Arc::clone(&plan.rules.fetch), plan.now),
            |fetched| Step::Done(fetched.into(), Vec::new()),
        )
    }
}

impl Fetchable for IssuerKeys {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self> {
        if plan.rules.has_second_level && plan.purpose != Purpose::Reload {
            plan.read_metadata()
        } else {
            plan.request(None)
        }
    }
}

impl<'r> Plan<'r, IssuerKeys> {
    fn read_metadata(self) -> Step<'r, IssuerKeys> {
        Step::Read(
            key(self.issuer, Document::Metadata),
            Box::new(move |entry| {
                let Some(entry) = entry else {
                    return self.request(None);
                };
                let text = decode(
                    &entry,
                    &self.rules.fetch.metadata_url_of(self.issuer),
                    self.now,
                );
                let source =
                    text.and_then(|text| self.rules.fetch.read_metadata(self.issuer, &text).ok());
                match self.rules.adapter_failures.take_entry(source) {
                    Some(source) => self.read_keys(source),
                    None => self.request(None),
                }
            }),
        )
    }

    fn read_keys(self, source: KeySource) -> Step<'r, IssuerKeys> {
        Step::Read(
            key(self.issuer, Document::Jwks),
            Box::new(move |entry| {
                let Some(entry) = entry else {
                    return self.request(None);
                };
                let text = decode(&entry, source.jwks_uri.as_str(), self.now);
                let keys =
                    text.and_then(|text| self.rules.fetch.read_keys(Arc::new(source), &text).ok());
                let stored = self.rules.adapter_failures.take_entry(keys).map(Arc::new);
                match stored.filter(|stored| self.is_newer(stored)) {
                    Some(stored) if self.is_enough(&stored) => done_without_request(Some(stored)),
                    stored => self.request(stored),
                }
            }),
        )
    }

    /// Requests the keys from the issuer, and the metadata before them unless metadata in memory or
    /// in `stored` will do. `stored` is the value from the second level.
    fn request(self, stored: Option<Arc<IssuerKeys>>) -> Step<'r, IssuerKeys> {
        if self.purpose == Purpose::Reread {
            return done_without_request(stored);
        }
        let known = stored.as_ref().or(self.current.as_ref());
        let has_known_age = stored.is_some() || self.has_known_age;
        let is_usable = |source: &&Arc<KeySource>| match self.purpose {
            Purpose::Refresh => has_known_age && self.rules.policy.is_fresh(source.stamp, self.now),
            Purpose::Search => true,
            Purpose::Reload | Purpose::Reread => false,
        };
        let fetch = Arc::clone(&self.rules.fetch);
        let metadata = known.and_then(|keys| keys.source.as_ref());
        let step = match metadata.filter(is_usable) {
            Some(source) => FetchKeys::start_with_metadata(source, fetch, self.now),
            None => FetchKeys::start(self.issuer.clone(), fetch, self.now),
        };
        run_conversation(step, move |fetched| match fetched {
            Ok(fetched) => {
                let entries = self.entries(&fetched);
                Step::Done(Ok(fetched.into_keys()).into(), entries)
            }
            Err(error) => {
                let outcome = Outcome {
                    value: stored,
                    error: Some(error),
                    asked_issuer: true,
                };
                Step::Done(outcome, Vec::new())
            }
        })
    }

    /// The entries to write for the fetched documents. They live as long as the documents may be
    /// served.
    fn entries(&self, fetched: &FetchedKeys) -> Vec<Entry> {
        let ttl = self.rules.policy.max_lifetime();
        if !self.rules.has_second_level || ttl.is_zero() {
            return Vec::new();
        }
        let documents = [
            (Document::Metadata, fetched.metadata.as_ref()),
            (Document::Jwks, Some(&fetched.jwks)),
        ];
        let entry = |(document, text): (Document, Option<_>)| {
            encode(key(self.issuer, document), text?, ttl)
        };
        documents.into_iter().filter_map(entry).collect()
    }

    /// Whether stored keys may be served and are newer than the current ones.
    fn is_newer(&self, stored: &IssuerKeys) -> bool {
        let keys_requested_at = |keys: &IssuerKeys| {
            let [_, keys] = keys.stamps();
            keys.requested_at
        };
        let current = self.current.as_deref();
        self.may_serve(stored)
            && current.is_none_or(|current| keys_requested_at(stored) > keys_requested_at(current))
    }

    /// Whether stored keys make a request unnecessary. Stale keys do if no current ones may be
    /// served; the next caller then starts a refresh.
    fn is_enough(&self, stored: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let is_better_than_nothing = || {
            let current = self.current.as_deref();
            policy.is_young(elapsed(stored.requested_at(), self.now))
                && !current.is_some_and(|keys| self.may_serve(keys))
        };
        match (self.purpose, &self.wanted) {
            (Purpose::Search, Some((key_id, algorithm))) => stored.has_key(key_id, *algorithm),
            (Purpose::Refresh, _) => {
                policy.are_fresh(stored.stamps(), self.now) || is_better_than_nothing()
            }
            (Purpose::Reread, _) => true,
            (Purpose::Reload | Purpose::Search, _) => false,
        }
    }

    fn may_serve(&self, keys: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let age = elapsed(keys.requested_at(), self.now);
        policy.are_fresh(keys.stamps(), self.now) || policy.may_serve_stale(age)
    }
}

/// Runs a conversation to its end, then continues with its result.
fn run_conversation<'r, T, P>(
    step: Result<a0_http::Step<P>, FetchError>,
    done: impl FnOnce(Result<P::Output, FetchError>) -> Step<'r, T> + Send + 'r,
) -> Step<'r, T>
where
    P: Conversation<Error = FetchError> + Send + 'r,
{
    match step {
        Ok(a0_http::Step::Fetch(request, conversation)) => Step::Exchange(
            request,
            Box::new(move |result| run_conversation(conversation.resume(result), done)),
        ),
        Ok(a0_http::Step::Done(output)) => done(Ok(output)),
        Err(error) => done(Err(error)),
    }
}

/// Ends a round that sent no request, with the value from the second level, if there is one.
fn done_without_request<'r>(stored: Option<Arc<IssuerKeys>>) -> Step<'r, IssuerKeys> {
    let outcome = Outcome {
        value: stored,
        error: None,
        asked_issuer: false,
    };
    Step::Done(outcome, Vec::new())
}

/// A value that a cache holds for an issuer: its keys, or its metadata alone.
pub(crate) trait Cached: Send + Sync + Sized + 'static {
    /// Whether it is a key set, and not metadata alone.
    const HAS_KEYS: bool;

    /// Whether the value is shared through the second level.
    const IS_SHARED: bool;

    /// The stamps of its documents. A value of one document repeats its stamp.
    fn stamps(&self) -> [Stamp; 2];

    fn has_key(&self, _key_id: &str, _algorithm: Algorithm) -> bool {
        false
    }

    /// Whether its lease was used since the last call of this function.
    fn take_used(&self) -> bool {
        false
    }

    /// Ends its lease, because it was replaced or evicted.
    fn end_lease(&self) {}
}

impl Cached for IssuerKeys {
    const HAS_KEYS: bool = true;
    const IS_SHARED: bool = true;

    fn stamps(&self) -> [Stamp; 2] {
        IssuerKeys::stamps(self)
    }

    fn has_key(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.keys().contains(key_id, algorithm)
    }

    fn take_used(&self) -> bool {
        self.lease().take_used()
    }

    fn end_lease(&self) {
        self.lease().end();
    }
}

impl Cached for ServerMetadata {
    const HAS_KEYS: bool = false;
    const IS_SHARED: bool = false;

    fn stamps(&self) -> [Stamp; 2] {
        [self.stamp; 2]
    }
}
