//! One round of fetching: what is tried, in which order, and what becomes of it. It does no input or
//! output of its own.

use std::sync::Arc;

use a0_http::{Conversation, Step, TransportError};
use a0_jose::NumericDate;
use http::{Request, Response};

use crate::error::{Document, FetchError};
use crate::fetch::{FetchKeys, FetchRules, FetchedKeys, IssuerKeys, KeySource};
use crate::issuer::Issuer;
use crate::lookup::Goal;
use crate::policy::CachePolicy;
use crate::record::Outcome;
use crate::second_level::{Entry, Misses, decode, encode, key};
use crate::stamp::Kept;

/// What every round needs.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) fetch: Arc<FetchRules>,
    pub(crate) policy: CachePolicy,
    pub(crate) has_adapter: bool,
    pub(crate) misses: Misses,
}

/// What a round wants next.
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved a few times in a fetch; a box would cost as much"
)]
pub(crate) enum Want<'e> {
    /// The entry of this key, of the second level: [`KeysErrand::read`].
    Read(String, KeysErrand<'e>),
    /// The answer to this request: [`KeysErrand::answered`].
    Ask(Request<Vec<u8>>, KeysErrand<'e>),
    /// Nothing more: this is what it gave, and what the second level is to hold.
    Done(Outcome<IssuerKeys>, Vec<Entry>),
}

/// Keys, and metadata with them if need be.
pub(crate) struct KeysErrand<'e> {
    rules: &'e Rules,
    issuer: &'e Issuer,
    goal: Goal<'e>,
    now: NumericDate,
    in_memory: Option<Arc<IssuerKeys>>,
    /// What the second level had, if it is newer.
    loaded: Option<Arc<IssuerKeys>>,
    waits_for: WaitsFor,
}

enum WaitsFor {
    StoredMetadata,
    StoredKeys(KeySource),
    Answer(FetchKeys),
    Nothing,
}

impl<'e> KeysErrand<'e> {
    pub(crate) fn begin(
        rules: &'e Rules,
        issuer: &'e Issuer,
        goal: Goal<'e>,
        in_memory: Option<Arc<IssuerKeys>>,
        now: NumericDate,
    ) -> Want<'e> {
        let errand = KeysErrand {
            rules,
            issuer,
            goal,
            now,
            in_memory,
            loaded: None,
            waits_for: WaitsFor::StoredMetadata,
        };
        match goal {
            Goal::Fresh | Goal::Key(..) | Goal::Stored if rules.has_adapter => {
                Want::Read(key(issuer, Document::Metadata), errand)
            }
            _ => errand.ask(),
        }
    }

    fn read_metadata(self, entry: &str) -> Want<'e> {
        let (rules, issuer) = (self.rules, self.issuer);
        let text = decode(entry, &issuer.metadata_url(), self.now);
        let source = text.and_then(|text| rules.fetch.read_metadata(issuer, &text).ok());
        match rules.misses.usable(source) {
            Some(source) => {
                let waits_for = WaitsFor::StoredKeys(source);
                Want::Read(
                    key(issuer, Document::Jwks),
                    KeysErrand { waits_for, ..self },
                )
            }
            None => self.ask(),
        }
    }

    fn read_keys(mut self, source: KeySource, entry: &str) -> Want<'e> {
        let text = decode(entry, source.jwks_uri.as_str(), self.now);
        let keys = text.and_then(|text| self.rules.fetch.read_keys(Arc::new(source), &text).ok());
        self.loaded = self
            .rules
            .misses
            .usable(keys)
            .map(Arc::new)
            .filter(|keys| self.is_newer(keys));
        match self.loaded.clone() {
            Some(keys) if self.meets(&keys) => self.done_unasked(),
            _ => self.ask(),
        }
    }

    /// Asks the issuer: for its keys alone where the metadata in hand will do.
    fn ask(mut self) -> Want<'e> {
        if matches!(self.goal, Goal::Stored) {
            return self.done_unasked();
        }
        let in_hand = self.loaded.as_ref().or(self.in_memory.as_ref());
        let will_do = |keys: &&Arc<IssuerKeys>| match self.goal {
            Goal::Fresh => self.rules.policy.is_fresh(keys.source.stamp, self.now),
            Goal::Key(..) => true,
            Goal::Newest | Goal::Stored => false,
        };
        let fetch = Arc::clone(&self.rules.fetch);
        let step = match in_hand.filter(will_do) {
            Some(keys) => FetchKeys::start_with(keys, fetch, self.now),
            None => FetchKeys::start(self.issuer.clone(), fetch, self.now),
        };
        self.waits_for = WaitsFor::Nothing;
        self.follow(step)
    }

    fn follow(mut self, step: Result<Step<FetchKeys>, FetchError>) -> Want<'e> {
        match step {
            Ok(Step::Fetch(request, conversation)) => {
                self.waits_for = WaitsFor::Answer(conversation);
                Want::Ask(request, self)
            }
            Ok(Step::Done(fetched)) => {
                let entries = self.entries(&fetched);
                Want::Done(Ok(fetched.into_keys()).into(), entries)
            }
            Err(error) => {
                let outcome = Outcome {
                    value: self.loaded,
                    error: Some(error),
                    asked: true,
                };
                Want::Done(outcome, Vec::new())
            }
        }
    }

    /// What was fetched, for the longest time that it may be served.
    fn entries(&self, fetched: &FetchedKeys) -> Vec<Entry> {
        let ttl = self.rules.policy.max_stale.max(self.rules.policy.ttl);
        if !self.rules.has_adapter || ttl.is_zero() {
            return Vec::new();
        }
        let documents = [
            (Document::Metadata, fetched.metadata.as_ref()),
            (Document::Jwks, Some(&fetched.jwks)),
        ];
        let entry = |(document, text): (Document, Option<_>)| {
            Some(Entry {
                key: key(self.issuer, document),
                value: encode(text?)?,
                ttl,
            })
        };
        documents.into_iter().filter_map(entry).collect()
    }

    fn is_newer(&self, keys: &IssuerKeys) -> bool {
        let than = self.in_memory.as_ref();
        self.rules.policy.may_serve(keys, self.now)
            && than.is_none_or(|than| keys.stamp.requested_at > than.stamp.requested_at)
    }

    /// Whether the issuer need not be asked. Keys that are not fresh serve those who have none, and
    /// the next caller starts a refresh.
    fn meets(&self, keys: &IssuerKeys) -> bool {
        let policy = &self.rules.policy;
        let has_none = || {
            let in_memory = self.in_memory.as_ref();
            !in_memory.is_some_and(|keys| policy.may_serve(&**keys, self.now))
        };
        match self.goal {
            Goal::Fresh => {
                policy.are_fresh(keys, self.now) || (policy.is_young(keys, self.now) && has_none())
            }
            Goal::Key(key_id, algorithm) => keys.has_key(key_id, algorithm),
            Goal::Stored => true,
            Goal::Newest => false,
        }
    }

    /// Ends with what the second level had, if anything.
    fn done_unasked(self) -> Want<'e> {
        let outcome = Outcome {
            value: self.loaded,
            error: None,
            asked: false,
        };
        Want::Done(outcome, Vec::new())
    }

    pub(crate) fn read(mut self, entry: Option<String>) -> Want<'e> {
        let waits_for = std::mem::replace(&mut self.waits_for, WaitsFor::Nothing);
        match (waits_for, entry) {
            (WaitsFor::StoredMetadata, Some(entry)) => self.read_metadata(&entry),
            (WaitsFor::StoredKeys(source), Some(entry)) => self.read_keys(source, &entry),
            _ => self.ask(),
        }
    }

    pub(crate) fn answered(
        mut self,
        answer: Result<Response<Vec<u8>>, TransportError>,
    ) -> Want<'e> {
        match std::mem::replace(&mut self.waits_for, WaitsFor::Nothing) {
            WaitsFor::Answer(conversation) => {
                let step = conversation.resume(answer);
                self.follow(step)
            }
            _ => self.ask(),
        }
    }
}
