//! One round: what it reads and requests, in which order, and its result. It does no input or
//! output.

use std::sync::Arc;
use std::time::Duration;

use a0_http::Conversation;
use a0_jose::{Algorithm, NumericDate};

use super::adapter::CacheAdapterError;
use super::aftermath::Aftermath;
use super::back_off::MIN_REFRESH_INTERVAL;
use super::claim::Claim;
use super::flight::{Permits, WantedKey};
use super::record::{Outcome, Purpose};
use super::second_level::{AdapterFailures, Entry, RefusedEntry, SecondLevel};
use super::shared_round::SharedRound;
use super::step::{Found, Step};
use crate::error::{Document, FetchError};
use crate::fetch::{
    FetchKeys, FetchMetadata, FetchRules, FetchedKeys, IssuerKeys, KeySource, ServerMetadata,
    Stamp, elapsed,
};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// The parts that all rounds of a cache share.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) fetch: Arc<FetchRules>,
    pub(crate) policy: CachePolicy,
    pub(crate) second_level: Option<SecondLevel>,
    pub(crate) adapter_failures: AdapterFailures,
    pub(crate) permits: Arc<Permits>,
}

impl Rules {
    /// Turns the result of a read of the second level into what it found. An error is counted.
    pub(crate) fn found(&self, read: Result<Option<String>, CacheAdapterError>) -> Found {
        match self.adapter_failures.take_response(read) {
            Some(Some(value)) => Found::Value(value),
            Some(None) => Found::Nothing,
            None => Found::Away,
        }
    }

    /// Says how much of the values of this type is shared with other processes.
    pub(crate) fn sharing<T: Cached>(&self) -> Sharing {
        match &self.second_level {
            Some(store) if T::IS_SHARED && store.owner.is_some() => Sharing::Fetches,
            Some(_) if T::IS_SHARED => Sharing::Documents,
            _ => Sharing::Nothing,
        }
    }
}

/// How much the processes share through the second level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sharing {
    Nothing,
    /// The documents that each of them has fetched.
    Documents,
    /// The documents, and the decision who fetches them.
    Fetches,
}

impl Sharing {
    /// The longest time for which a round in the foreground may wait for other processes.
    pub(crate) fn longest_wait(self, purpose: Purpose, policy: &CachePolicy) -> Duration {
        match (self, purpose) {
            (Sharing::Fetches, Purpose::Refresh | Purpose::Search) => {
                policy.claim_wait().saturating_add(policy.last_claim_wait())
            }
            _ => Duration::ZERO,
        }
    }
}

/// How a round ends.
pub(crate) struct End<'r, T> {
    pub(crate) outcome: Outcome<T>,
    /// The entries of the second level that were ignored.
    pub(crate) refused: Vec<RefusedEntry>,
    /// `None` without a second level.
    pub(crate) aftermath: Option<Aftermath<'r>>,
}

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
    /// When the newest metadata and the newest keys that this process has had were requested.
    pub(crate) seen: Option<[NumericDate; 2]>,
    /// Whether the round is a background refresh, which waits for no other process.
    pub(crate) is_background: bool,
}

/// A value that a round can fetch.
pub(crate) trait Fetchable: Cached {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, End<'_, Self>>;
}

impl Fetchable for ServerMetadata {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, End<'_, Self>> {
        run_conversation(
            FetchMetadata::start(plan.issuer.clone(), Arc::clone(&plan.rules.fetch), plan.now),
            |fetched| {
                Step::Done(End {
                    outcome: fetched.into(),
                    refused: Vec::new(),
                    aftermath: None,
                })
            },
        )
    }
}

impl Fetchable for IssuerKeys {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, End<'_, Self>> {
        match &plan.rules.second_level {
            Some(store) if plan.purpose != Purpose::Reload => SharedRound::begin(plan, store),
            _ => plan.request(Shared::default()),
        }
    }
}

/// The state that a round has taken from the second level so far.
#[derive(Default)]
pub(super) struct Shared {
    /// The newest stored keys, if they are newer than those in memory.
    pub(super) stored: Option<Arc<IssuerKeys>>,
    pub(super) refused: Vec<RefusedEntry>,
    pub(super) claim: Option<Claim>,
    /// When another process searched, if its cool-down ends this round.
    pub(super) searched_at: Option<NumericDate>,
}

impl<'r> Plan<'r, IssuerKeys> {
    /// Requests the keys from the issuer, and the metadata before them unless metadata in memory or
    /// in the stored value will do.
    pub(super) fn request(self, shared: Shared) -> Step<'r, End<'r, IssuerKeys>> {
        let known = shared.stored.as_ref().or(self.current.as_ref());
        let has_known_age = shared.stored.is_some() || self.has_known_age;
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
                let mut outcome = Outcome::from(Ok(fetched.into_keys()));
                outcome.overtaken = shared.stored.clone();
                Step::Done(self.end(outcome, entries, shared))
            }
            Err(error) => {
                let outcome = Outcome {
                    value: shared.stored.clone(),
                    error: Some(error),
                    asked_issuer: true,
                    searched_at: None,
                    overtaken: None,
                };
                Step::Done(self.end(outcome, Vec::new(), shared))
            }
        })
    }

    pub(super) fn end(
        &self,
        outcome: Outcome<IssuerKeys>,
        entries: Vec<Entry>,
        shared: Shared,
    ) -> End<'r, IssuerKeys> {
        let rules = self.rules;
        let aftermath =
            |store| Aftermath::new(store, &rules.policy, &outcome, entries, shared.claim);
        End {
            aftermath: rules.second_level.as_ref().map(aftermath),
            outcome,
            refused: shared.refused,
        }
    }

    /// The entries to write for the fetched documents. They live as long as the documents may be
    /// served.
    fn entries(&self, fetched: &FetchedKeys) -> Vec<Entry> {
        let store = self.rules.second_level.as_ref();
        let Some(store) = store.filter(|store| !store.max_lifetime.is_zero()) else {
            return Vec::new();
        };
        let documents = [
            (Document::Metadata, fetched.metadata.as_ref()),
            (Document::Jwks, Some(&fetched.jwks)),
        ];
        let entry =
            |(document, text): (Document, Option<_>)| store.encode(self.issuer, document, text?);
        documents.into_iter().filter_map(entry).collect()
    }

    /// Whether stored keys may be served and are newer than the current ones, and than those that were
    /// in the store before the issuer was asked.
    pub(super) fn is_newer(&self, stored: &IssuerKeys) -> bool {
        let stored_at = keys_requested_at(stored);
        let seen = self.seen.map(|[_, keys]| keys);
        // A date that was seen before the clock was set back says nothing.
        let seen = seen.filter(|seen| elapsed(*seen, self.now) < Duration::MAX);
        let current = self.current.as_deref();
        self.may_serve(stored)
            && current.is_none_or(|current| {
                stored_at > keys_requested_at(current) && seen.is_none_or(|seen| stored_at > seen)
            })
    }

    /// Whether stored keys make a request unnecessary. Stale keys do if no current ones may be
    /// served, or if another process has just fetched them; the next caller then starts a refresh.
    pub(super) fn is_enough(&self, stored: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let is_better_than_nothing = || {
            let current = self.current.as_deref();
            policy.is_young(elapsed(stored.requested_at(), self.now))
                && !current.is_some_and(|keys| self.may_serve(keys))
        };
        let is_just_fetched = || {
            let age = elapsed(keys_requested_at(stored), self.now);
            !policy.ttl.is_zero() && age < MIN_REFRESH_INTERVAL
        };
        match (self.purpose, &self.wanted) {
            (Purpose::Search, Some((key_id, algorithm))) => stored.has_key(key_id, *algorithm),
            (Purpose::Refresh, _) => {
                policy.are_fresh(stored.stamps(), self.now)
                    || is_better_than_nothing()
                    || is_just_fetched()
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

pub(super) fn keys_requested_at(keys: &IssuerKeys) -> NumericDate {
    let [_, keys] = keys.stamps();
    keys.requested_at
}

/// Runs a conversation to its end, then continues with its result.
fn run_conversation<'r, D, P>(
    step: Result<a0_http::Step<P>, FetchError>,
    done: impl FnOnce(Result<P::Output, FetchError>) -> Step<'r, D> + Send + 'r,
) -> Step<'r, D>
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
