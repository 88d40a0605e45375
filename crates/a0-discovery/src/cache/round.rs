//! One round: what is read and requested, in which order, and what its result is. It does no input or
//! output.

use std::sync::Arc;

use a0_http::{Conversation, TransportError};
use a0_jose::{Algorithm, NumericDate};
use http::{Request, Response};

use super::cached::Cached;
use super::places::Places;
use super::record::{Outcome, Work};
use super::second_level::{Entry, Misses, decode, encode, key};
use crate::age::older;
use crate::error::{Document, FetchError};
use crate::fetch::{FetchKeys, FetchMetadata, FetchRules, FetchedKeys};
use crate::fetch::{IssuerKeys, KeySource, ServerMetadata};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// Everything that the rounds of a cache share.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) fetch: Arc<FetchRules>,
    pub(crate) policy: CachePolicy,
    pub(crate) has_second_level: bool,
    pub(crate) misses: Misses,
    pub(crate) places: Arc<Places>,
}

/// The next need of a round, with the function that takes the answer.
pub(crate) enum Step<'r, T> {
    /// The entry of this key in the second level.
    Read(String, Then<'r, Option<String>, T>),
    /// The answer to this request.
    Exchange(Request<Vec<u8>>, Then<'r, Answer, T>),
    /// Nothing: this is the result, and these entries belong into the second level.
    Done(Outcome<T>, Vec<Entry>),
}

pub(crate) type Then<'r, A, T> = Box<dyn FnOnce(A) -> Step<'r, T> + Send + 'r>;

type Answer = Result<Response<Vec<u8>>, TransportError>;

/// The inputs of a round for `issuer`.
pub(crate) struct Plan<'r, T> {
    pub(crate) rules: &'r Rules,
    pub(crate) issuer: &'r Issuer,
    pub(crate) work: Work,
    /// The wanted key of a search.
    pub(crate) wanted: Option<(String, Algorithm)>,
    pub(crate) now: NumericDate,
    pub(crate) in_hand: Option<Arc<T>>,
    /// Whether the dates of what is in hand can be trusted.
    pub(crate) has_known_age: bool,
}

/// Documents that a round can fetch.
pub(crate) trait Fetched: Cached {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self>;
}

impl Fetched for ServerMetadata {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self> {
        follow(
            FetchMetadata::start(plan.issuer.clone(), plan.now),
            |fetched| Step::Done(fetched.into(), Vec::new()),
        )
    }
}

impl Fetched for IssuerKeys {
    fn begin(plan: Plan<'_, Self>) -> Step<'_, Self> {
        match plan.rules.has_second_level && plan.work != Work::Reload {
            true => plan.read_metadata(),
            false => plan.request(None),
        }
    }
}

impl<'r> Plan<'r, IssuerKeys> {
    fn read_metadata(self) -> Step<'r, IssuerKeys> {
        let name = key(self.issuer, Document::Metadata);
        Step::Read(
            name,
            Box::new(move |entry| {
                let Some(entry) = entry else {
                    return self.request(None);
                };
                let text = decode(&entry, &self.issuer.metadata_url(), self.now);
                let source =
                    text.and_then(|text| self.rules.fetch.read_metadata(self.issuer, &text).ok());
                match self.rules.misses.usable(source) {
                    Some(source) => self.read_keys(source),
                    None => self.request(None),
                }
            }),
        )
    }

    fn read_keys(self, source: KeySource) -> Step<'r, IssuerKeys> {
        let name = key(self.issuer, Document::Jwks);
        Step::Read(
            name,
            Box::new(move |entry| {
                let Some(entry) = entry else {
                    return self.request(None);
                };
                let text = decode(&entry, source.jwks_uri.as_str(), self.now);
                let keys =
                    text.and_then(|text| self.rules.fetch.read_keys(Arc::new(source), &text).ok());
                let stored = self.rules.misses.usable(keys).map(Arc::new);
                match stored.filter(|stored| self.is_newer(stored)) {
                    Some(stored) if self.is_enough(&stored) => done_unasked(Some(stored)),
                    stored => self.request(stored),
                }
            }),
        )
    }

    /// Asks the issuer: for its keys alone if the metadata in hand will do. `stored` is what the second
    /// level had.
    fn request(self, stored: Option<Arc<IssuerKeys>>) -> Step<'r, IssuerKeys> {
        if self.work == Work::Reread {
            return done_unasked(stored);
        }
        let in_hand = stored.as_ref().or(self.in_hand.as_ref());
        let has_known_age = stored.is_some() || self.has_known_age;
        let will_do = |keys: &&Arc<IssuerKeys>| match self.work {
            Work::Refresh => {
                has_known_age && self.rules.policy.is_fresh(keys.source.stamp, self.now)
            }
            Work::Search => true,
            Work::Reload | Work::Reread => false,
        };
        let fetch = Arc::clone(&self.rules.fetch);
        let step = match in_hand.filter(will_do) {
            Some(keys) => FetchKeys::start_with(keys, fetch, self.now),
            None => FetchKeys::start(self.issuer.clone(), fetch, self.now),
        };
        follow(step, move |fetched| match fetched {
            Ok(fetched) => {
                let entries = self.entries(&fetched);
                Step::Done(Ok(fetched.into_keys()).into(), entries)
            }
            Err(error) => {
                let outcome = Outcome {
                    value: stored,
                    error: Some(error),
                    asked: true,
                };
                Step::Done(outcome, Vec::new())
            }
        })
    }

    /// The fetched documents, to be stored for as long as they may be served.
    fn entries(&self, fetched: &FetchedKeys) -> Vec<Entry> {
        let ttl = self.rules.policy.longest();
        if !self.rules.has_second_level || ttl.is_zero() {
            return Vec::new();
        }
        let documents = [
            (Document::Metadata, fetched.metadata.as_ref()),
            (Document::Jwks, Some(&fetched.jwks)),
        ];
        let entry = |(document, text): (Document, Option<_>)| {
            let name = key(self.issuer, document);
            encode(name, text?, ttl)
        };
        documents.into_iter().filter_map(entry).collect()
    }

    /// Whether stored keys may be served and are newer than those in hand.
    fn is_newer(&self, stored: &IssuerKeys) -> bool {
        let in_hand = self.in_hand.as_ref();
        self.may_serve(stored)
            && in_hand.is_none_or(|in_hand| {
                let [_, stored] = stored.stamps();
                let [_, in_hand] = in_hand.stamps();
                stored.requested_at > in_hand.requested_at
            })
    }

    /// Whether stored keys spare asking the issuer. Stale ones do if there are none in hand: the next
    /// caller starts a refresh.
    fn is_enough(&self, stored: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let is_young = policy.is_young(crate::age::elapsed(stored.requested_at(), self.now));
        let is_better_than_nothing = || {
            is_young
                && !self
                    .in_hand
                    .as_ref()
                    .is_some_and(|keys| self.may_serve(keys))
        };
        match (self.work, &self.wanted) {
            (Work::Search, Some((key_id, algorithm))) => stored.has_key(key_id, *algorithm),
            (Work::Refresh, _) => {
                policy.are_fresh(stored.stamps(), self.now) || is_better_than_nothing()
            }
            (Work::Reread, _) => true,
            (Work::Reload | Work::Search, _) => false,
        }
    }

    fn may_serve(&self, keys: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let age = crate::age::elapsed(older(keys.stamps()), self.now);
        policy.are_fresh(keys.stamps(), self.now) || policy.may_serve_stale(age)
    }
}

/// Holds a conversation to its end, then hands its result on.
fn follow<'r, T, P>(
    step: Result<a0_http::Step<P>, FetchError>,
    done: impl FnOnce(Result<P::Output, FetchError>) -> Step<'r, T> + Send + 'r,
) -> Step<'r, T>
where
    P: Conversation<Error = FetchError> + Send + 'r,
{
    match step {
        Ok(a0_http::Step::Fetch(request, conversation)) => Step::Exchange(
            request,
            Box::new(move |answer| follow(conversation.resume(answer), done)),
        ),
        Ok(a0_http::Step::Done(output)) => done(Ok(output)),
        Err(error) => done(Err(error)),
    }
}

/// Ends with what the second level had, if anything.
fn done_unasked<'r>(stored: Option<Arc<IssuerKeys>>) -> Step<'r, IssuerKeys> {
    let outcome = Outcome {
        value: stored,
        error: None,
        asked: false,
    };
    Step::Done(outcome, Vec::new())
}
