//! A round of a cache with a second level: read the stored documents, agree with the other processes
//! who fetches, then fetch or read what another process fetched.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;

use super::claim::{Claim, ClaimState};
use super::record::{Outcome, Purpose};
use super::round::{End, Plan, Shared, keys_requested_at};
use super::second_level::{EntryRefusal, RefusedEntry, SecondLevel};
use super::step::{Change, Found, Step};
use crate::error::Document;
use crate::fetch::{IssuerKeys, KeySource};

/// The first time between two looks at the claim of another process. Each look doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

const MAX_PAUSE: Duration = Duration::from_millis(500);

/// The same for a search. A refused token waits for it, or a good one of a new key.
const MAX_SEARCH_PAUSE: Duration = Duration::from_millis(200);

/// The state of such a round.
pub(super) struct SharedRound<'r> {
    plan: Plan<'r, IssuerKeys>,
    store: &'r SecondLevel,
    shared: Shared,
    /// When the round began, for its caller.
    began: NumericDate,
    /// The time of all waits so far.
    waited: Duration,
    /// The time that is left to wait for the present holder of the claim.
    time_left: Duration,
    /// The time to wait for a process that takes the claim over.
    last_wait: Duration,
    pause: Duration,
    /// When another process searched, by its clock, if its cool-down is not over.
    searched_at: Option<NumericDate>,
}

type Ended<'r> = End<'r, IssuerKeys>;

/// Continues a round whose stored keys are not enough.
type NotEnough<'r> = fn(SharedRound<'r>) -> Step<'r, Ended<'r>>;

impl<'r> SharedRound<'r> {
    pub(super) fn begin(plan: Plan<'r, IssuerKeys>, store: &'r SecondLevel) -> Step<'r, Ended<'r>> {
        let not_enough: NotEnough<'r> = match plan.purpose {
            Purpose::Reread => SharedRound::end_without_request,
            Purpose::Refresh | Purpose::Search | Purpose::Reload => SharedRound::claim,
        };
        let round = SharedRound {
            time_left: plan.rules.policy.claim_wait(),
            last_wait: plan.rules.policy.last_claim_wait(),
            began: plan.now,
            plan,
            store,
            shared: Shared::default(),
            waited: Duration::ZERO,
            pause: FIRST_PAUSE,
            searched_at: None,
        };
        round.read_metadata(not_enough)
    }

    fn read_metadata(mut self, not_enough: NotEnough<'r>) -> Step<'r, Ended<'r>> {
        let name = self.store.name_of(self.plan.issuer, Document::Metadata);
        let then = move |found| {
            let stored = match found {
                Found::Away => return self.request(),
                Found::Nothing => None,
                Found::Value(entry) => self.source(&entry).map(Arc::new),
            };
            // The store may drop one of the two documents.
            let in_memory = || self.plan.current.as_ref()?.source.clone();
            match stored.or_else(in_memory) {
                Some(source) => self.read_keys(source, not_enough),
                None => not_enough(self),
            }
        };
        Step::Read(name, Box::new(then))
    }

    fn read_keys(
        mut self,
        source: Arc<KeySource>,
        not_enough: NotEnough<'r>,
    ) -> Step<'r, Ended<'r>> {
        let name = self.store.name_of(self.plan.issuer, Document::Jwks);
        let then = move |found| {
            let stored = match found {
                Found::Away => return self.request(),
                Found::Nothing => None,
                Found::Value(entry) => self.keys(&entry, source),
            };
            let stored = stored.filter(|stored| self.plan.is_newer(stored));
            let is_enough = stored
                .as_ref()
                .is_some_and(|keys| self.plan.is_enough(keys));
            self.shared.stored = stored.map(Arc::new).or(self.shared.stored);
            if is_enough {
                self.end_without_request()
            } else {
                not_enough(self)
            }
        };
        Step::Read(name, Box::new(then))
    }

    fn source(&mut self, entry: &str) -> Option<KeySource> {
        let Plan {
            issuer, now, seen, ..
        } = self.plan;
        let fetch = &self.plan.rules.fetch;
        let name = self.store.name_of(issuer, Document::Metadata);
        let seen = seen.map(|[metadata, _]| metadata);
        let url = fetch.metadata_url_of(issuer);
        let text = self.store.decode((&name, entry), &url, seen, now);
        let source = text.and_then(|text| {
            let source = fetch.read_metadata(issuer, &text);
            source.map_err(|_| EntryRefusal::Unusable)
        });
        self.take(Document::Metadata, source)
    }

    fn keys(&mut self, entry: &str, source: Arc<KeySource>) -> Option<IssuerKeys> {
        let Plan {
            issuer, now, seen, ..
        } = self.plan;
        let fetch = &self.plan.rules.fetch;
        let name = self.store.name_of(issuer, Document::Jwks);
        let seen = seen.map(|[_, keys]| keys);
        let url = source.jwks_uri.clone();
        let text = self.store.decode((&name, entry), url.as_str(), seen, now);
        let keys = text.and_then(|text| {
            let keys = fetch.read_keys(source, &text);
            keys.map_err(|_| EntryRefusal::Unusable)
        });
        self.take(Document::Jwks, keys)
    }

    /// Unwraps what was read from an entry. A refused entry is counted once in a round.
    fn take<T>(&mut self, document: Document, read: Result<T, EntryRefusal>) -> Option<T> {
        let refused = match read {
            Ok(value) => return Some(value),
            Err(reason) => RefusedEntry { document, reason },
        };
        if !self.shared.refused.contains(&refused) {
            self.shared.refused.push(refused);
            self.plan.rules.adapter_failures.count_one();
        }
        None
    }

    /// Claims the fetch for this process.
    fn claim(self) -> Step<'r, Ended<'r>> {
        let Plan {
            rules,
            issuer,
            purpose,
            now,
            ..
        } = self.plan;
        // With a TTL of zero each call fetches, whatever others have fetched.
        let owner = self.store.owner.as_ref();
        let Some(owner) = owner.filter(|_| !rules.policy.ttl.is_zero()) else {
            return self.request();
        };
        let claim = Claim::new(self.store, owner, issuer, purpose, now);
        let change = Change::SetIfAbsent {
            name: claim.name.clone(),
            value: claim.held.clone(),
            ttl: rules.policy.claim_ttl(purpose.exchanges()),
        };
        let then = move |is_set| match is_set {
            Some(true) => self.hold(claim),
            Some(false) => self.look_at(claim),
            None => self.request(),
        };
        Step::Change(change, Box::new(then))
    }

    /// Continues as the holder of the claim. Another process may have finished just before.
    fn hold(mut self, claim: Claim) -> Step<'r, Ended<'r>> {
        self.shared.claim = Some(claim);
        self.read_metadata(SharedRound::request)
    }

    /// Looks who holds the claim.
    fn look_at(self, claim: Claim) -> Step<'r, Ended<'r>> {
        let name = claim.name.clone();
        let then = move |found| {
            let value = match found {
                Found::Away => return self.request(),
                Found::Nothing => return self.wait(),
                Found::Value(value) => value,
            };
            let policy = &self.plan.rules.policy;
            // The caller judges the cool-down by the same time. If they differed, it would search
            // again at once.
            match claim.state(&value, self.store, policy, [self.began, self.plan.now]) {
                ClaimState::Ours => self.hold(claim),
                // The next refresh finds what the other process stores.
                ClaimState::Held if self.plan.is_background => self.end_without_request(),
                ClaimState::Held if self.time_left.is_zero() => self.take_over(claim, value),
                ClaimState::Held => self.wait(),
                ClaimState::Failed => self.request(),
                ClaimState::Searched(at) => {
                    // The documents of that search were stored before its cool-down began.
                    let mut round = self;
                    round.searched_at = Some(at);
                    round.read_metadata(SharedRound::cool_down)
                }
                ClaimState::Void => self.take_over(claim, value),
            }
        };
        Step::Read(name, Box::new(then))
    }

    /// Takes the claim from a holder that has not finished in time. One of the waiting processes
    /// succeeds, and the others wait for it a little.
    fn take_over(self, claim: Claim, found: String) -> Step<'r, Ended<'r>> {
        let Plan { rules, purpose, .. } = self.plan;
        let change = Change::SetIfEqual {
            name: claim.name.clone(),
            expected: found,
            value: claim.held.clone(),
            ttl: rules.policy.claim_ttl(purpose.exchanges()),
        };
        let then = move |is_set| match is_set {
            Some(true) => self.hold(claim),
            Some(false) => self.wait(),
            None => self.request(),
        };
        Step::Change(change, Box::new(then))
    }

    /// Waits for the holder of the claim, then reads the documents again.
    fn wait(mut self) -> Step<'r, Ended<'r>> {
        if self.plan.is_background {
            return self.read_metadata(SharedRound::end_without_request);
        }
        if self.time_left.is_zero() {
            // Another process has just taken the claim over. Without this wait, all others would
            // fetch at once.
            self.time_left = std::mem::take(&mut self.last_wait);
            self.pause = FIRST_PAUSE;
        }
        let pause = self.pause.min(self.time_left);
        if pause.is_zero() {
            return self.request();
        }
        let longest = match self.plan.purpose {
            Purpose::Search => MAX_SEARCH_PAUSE,
            Purpose::Refresh | Purpose::Reload | Purpose::Reread => MAX_PAUSE,
        };
        self.pause = self.pause.saturating_mul(2).min(longest);
        let then = move |since_begin: Option<Duration>| {
            let Some(since_begin) = since_begin else {
                return self.request();
            };
            // The calls of the store take time too.
            let waited = self.waited.saturating_add(pause).max(since_begin);
            let passed = waited.saturating_sub(self.waited);
            self.time_left = self.time_left.saturating_sub(passed);
            // Only whole seconds are added, so that times in tests stay whole.
            let whole = waited.as_secs().saturating_sub(self.waited.as_secs());
            self.plan.now = self.plan.now.plus(Duration::from_secs(whole));
            self.waited = waited;
            self.read_metadata(SharedRound::claim)
        };
        Step::Wait(pause, Box::new(then))
    }

    /// Ends a search that a cool-down forbids, if this process has the keys of that search or later
    /// ones. Otherwise only the issuer can tell whether it has the wanted key: the store may have lost
    /// them.
    fn cool_down(mut self) -> Step<'r, Ended<'r>> {
        // Keys with the date of the search are its keys. Other keys in memory that are dated in the
        // future may be older than the search, because one of the two clocks is wrong.
        let is_reliable = |keys: &&Arc<IssuerKeys>| {
            let date = keys_requested_at(keys);
            Some(date) == self.searched_at || date <= self.began
        };
        let in_memory = self.plan.current.as_ref().filter(is_reliable);
        let known = self.shared.stored.as_ref().or(in_memory);
        match self.searched_at.zip(known) {
            Some((at, keys)) if keys_requested_at(keys) >= at => {
                // The clock of the other process may be ahead, which must not prolong the cool-down.
                let is_ahead = at > self.began;
                self.shared.searched_at = Some(if is_ahead { self.began } else { at });
                self.end_without_request()
            }
            _ => self.request(),
        }
    }

    /// Asks the issuer, unless the round may only read the store.
    fn request(self) -> Step<'r, Ended<'r>> {
        match self.plan.purpose {
            Purpose::Reread => self.end_without_request(),
            Purpose::Refresh | Purpose::Search | Purpose::Reload => self.plan.request(self.shared),
        }
    }

    fn end_without_request(self) -> Step<'r, Ended<'r>> {
        let outcome = Outcome {
            value: self.shared.stored.clone(),
            error: None,
            asked_issuer: false,
            searched_at: self.shared.searched_at,
            overtaken: None,
        };
        Step::Done(self.plan.end(outcome, Vec::new(), self.shared))
    }
}
