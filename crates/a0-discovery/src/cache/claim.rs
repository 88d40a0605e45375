//! Claims: how the processes of a fleet agree through the second level which of them fetches.
//!
//! A process that has to fetch claims the issuer first. There is one claim for refreshes and one for
//! searches. While it is held, the others wait and read the stored documents. A claim of a process
//! that dies expires.

use std::time::Duration;

use a0_jose::{NumericDate, json};
use serde_json::json;

use super::record::{Outcome, Purpose};
use super::second_level::{SecondLevel, date_from_json, date_to_json};
use crate::fetch::elapsed;
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// How long the others can see that a fetch failed. It is longer than two reads of a claim are
/// apart.
const FAILURE_TTL: Duration = Duration::from_secs(2);

/// How old a failure may be. The store drops it sooner, unless somebody puts it there again; the rest
/// is for clocks that differ.
const MAX_FAILURE_AGE: Duration = Duration::from_secs(60);

/// The longest value of a claim that is read, in bytes.
const MAX_CLAIM: usize = 1024;

const HELD: &str = "held:";
const FAILED_AT: &str = "failed_at";
const SEARCHED_AT: &str = "searched_at";

/// A claim of this process.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) name: String,
    /// The value while the claim is held.
    pub(crate) held: String,
    purpose: Purpose,
    /// When the round began.
    began: NumericDate,
}

/// The meaning of a claim's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ClaimState {
    /// This process holds it. The round that took it is overdue.
    Ours,
    /// Another process holds it.
    Held,
    /// The holder's fetch has just failed.
    Failed,
    /// A search began then, and its cool-down is not over.
    Searched(NumericDate),
    /// Nothing that a process writes, or a cool-down that is over.
    Void,
}

/// How to give a claim back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Release {
    Delete,
    /// Tell the others that the fetch failed.
    Fail,
    /// Begin the cool-down of the fleet.
    CoolDown,
}

impl Claim {
    /// The claim for a round with this purpose.
    pub(crate) fn new(
        store: &SecondLevel,
        owner: &str,
        issuer: &Issuer,
        purpose: Purpose,
        began: NumericDate,
    ) -> Self {
        let kind = match purpose {
            Purpose::Search => "search",
            Purpose::Refresh | Purpose::Reload | Purpose::Reread => "refresh",
        };
        Claim {
            name: store.name(kind, issuer),
            // A child process that was forked has the owner of its parent.
            held: format!("{HELD}{owner}:{}", std::process::id()),
            purpose,
            began,
        }
    }

    /// Reads the value of this claim, for a round that began at `began`.
    pub(super) fn state(
        &self,
        value: &str,
        store: &SecondLevel,
        policy: &CachePolicy,
        [began, now]: [NumericDate; 2],
    ) -> ClaimState {
        if value == self.held {
            return ClaimState::Ours;
        }
        if value.len() > MAX_CLAIM {
            return ClaimState::Void;
        }
        if value.starts_with(HELD) {
            return ClaimState::Held;
        }
        // The other values are sealed and dated: a cool-down keeps a process from asking the issuer,
        // and a failure makes each process ask it.
        let payload = store.authentication.open(&self.name, value);
        let payload = payload.and_then(|payload| json::parse_object(payload.as_bytes()).ok());
        let date = |member| date_from_json(payload.as_ref()?.get(member)?);
        if date(FAILED_AT).is_some_and(|at| elapsed(at, now) < MAX_FAILURE_AGE) {
            return ClaimState::Failed;
        }
        // Only searches have a cool-down.
        match date(SEARCHED_AT).filter(|_| self.purpose == Purpose::Search) {
            Some(at) if elapsed(at, began) < policy.kid_cooldown => ClaimState::Searched(at),
            _ => ClaimState::Void,
        }
    }

    /// How to give the claim back after a round with this outcome.
    ///
    /// A search that asked the issuer becomes the cool-down of the whole fleet. A search that failed
    /// does not: the others would refuse tokens without knowing whether the issuer has the key.
    pub(super) fn release<T>(&self, outcome: &Outcome<T>, policy: &CachePolicy) -> Release {
        if outcome.error.is_some() {
            return Release::Fail;
        }
        let starts_cool_down = outcome.asked_issuer
            && self.purpose == Purpose::Search
            && !policy.kid_cooldown.is_zero();
        match starts_cool_down {
            true => Release::CoolDown,
            false => Release::Delete,
        }
    }

    /// The value that replaces the claim at the time `now`, and how long it lasts.
    pub(super) fn last_value(
        &self,
        release: Release,
        store: &SecondLevel,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<(String, Duration)> {
        let (member, date, ttl) = match release {
            Release::Delete => return None,
            Release::Fail => (FAILED_AT, now, FAILURE_TTL),
            Release::CoolDown => (SEARCHED_AT, self.began, policy.kid_cooldown),
        };
        let payload = json!({ member: date_to_json(date) }).to_string();
        Some((store.authentication.seal(&self.name, payload), ttl))
    }
}
