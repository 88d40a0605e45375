//! The steps after a round: store its documents, then give its claim back.

use std::collections::VecDeque;

use a0_jose::NumericDate;

use super::claim::{Claim, Release};
use super::record::Outcome;
use super::second_level::{Entry, SecondLevel};
use super::step::{Change, Found, Step};
use crate::error::Document;
use crate::policy::CachePolicy;

/// How often a document is compared with the stored one if other processes keep replacing it.
const MAX_COMPARISONS: u32 = 3;

/// The duties that a round leaves in the second level.
pub(crate) struct Aftermath<'r> {
    store: &'r SecondLevel,
    policy: &'r CachePolicy,
    entries: VecDeque<Entry>,
    release: Option<(Claim, Release)>,
    /// Whether the store took the keys of the round.
    keys_are_stored: bool,
}

impl<'r> Aftermath<'r> {
    pub(super) fn new<T>(
        store: &'r SecondLevel,
        policy: &'r CachePolicy,
        outcome: &Outcome<T>,
        entries: Vec<Entry>,
        claim: Option<Claim>,
    ) -> Self {
        let release = claim.map(|claim| {
            let release = claim.release(outcome, policy);
            (claim, release)
        });
        Aftermath {
            store,
            policy,
            entries: entries.into(),
            release,
            keys_are_stored: false,
        }
    }

    /// The first step. `is_newest` says whether the result of the round counts. The claim is given
    /// back last, so that processes that wait for it find the documents.
    pub(super) fn begin(mut self, is_newest: bool, now: NumericDate) -> Step<'r, ()> {
        if !is_newest {
            self.entries.clear();
        }
        self.write_next(now)
    }

    fn write_next(mut self, now: NumericDate) -> Step<'r, ()> {
        match self.entries.pop_front() {
            Some(entry) => self.write(entry, MAX_COMPARISONS, now),
            None => self.give_back(now),
        }
    }

    /// Writes an entry unless a newer one is stored.
    fn write(mut self, entry: Entry, comparisons: u32, now: NumericDate) -> Step<'r, ()> {
        let Some(left) = comparisons.checked_sub(1) else {
            return self.write_next(now);
        };
        let name = entry.name.clone();
        let then = move |found| {
            let change = match found {
                Found::Nothing => Change::SetIfAbsent {
                    name: entry.name.clone(),
                    value: entry.value.clone(),
                    ttl: entry.ttl,
                },
                Found::Value(stored) if self.store.may_replace(&entry, &stored, now) => {
                    Change::SetIfEqual {
                        name: entry.name.clone(),
                        expected: stored,
                        value: entry.value.clone(),
                        ttl: entry.ttl,
                    }
                }
                // The unreadable entry may hold a newer document.
                Found::Value(_) | Found::Away => return self.write_next(now),
            };
            let then = move |changed| match changed {
                // Another process has stored a document meanwhile.
                Some(false) => self.write(entry, left, now),
                Some(true) => {
                    self.keys_are_stored |= entry.document == Document::Jwks;
                    self.write_next(now)
                }
                None => self.write_next(now),
            };
            Step::Change(change, Box::new(then))
        };
        Step::Read(name, Box::new(then))
    }

    fn give_back(self, now: NumericDate) -> Step<'r, ()> {
        let Some((claim, release)) = self.release else {
            return Step::Done(());
        };
        let release = match release {
            // A cool-down sends the others to the store, so the keys must be there.
            Release::CoolDown if !self.keys_are_stored => Release::Delete,
            release => release,
        };
        let last = claim.last_value(release, self.store, self.policy, now);
        let Claim { name, held, .. } = claim;
        let change = match last {
            None => Change::DeleteIfEqual {
                name,
                expected: held,
            },
            Some((value, ttl)) => Change::SetIfEqual {
                name,
                expected: held,
                value,
                ttl,
            },
        };
        Step::Change(change, Box::new(|_| Step::Done(())))
    }
}
