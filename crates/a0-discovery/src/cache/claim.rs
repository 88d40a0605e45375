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
use crate::issuer::Issuer;
use crate::policy::{CachePolicy, elapsed};

/// How long the others can see that a fetch failed. It is longer than two reads of a claim are
/// apart.
const FAILURE_TTL: Duration = Duration::from_secs(2);

/// The longest value of a claim that is read, in bytes.
const MAX_CLAIM: usize = 1024;

const HELD: &str = "held:";
const FAILED: &str = "failed";

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

/// What the value of a claim says.
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
#[derive(Debug, PartialEq)]
pub(crate) enum Release {
    Delete,
    /// Tell the others for this time, by this value, that the fetch failed.
    Fail(String, Duration),
    /// Begin the cool-down of the fleet: this value, for this time.
    CoolDown(String, Duration),
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
            held: format!("{HELD}{owner}"),
            purpose,
            began,
        }
    }

    /// Reads the value of this claim.
    pub(crate) fn state(
        &self,
        value: &str,
        store: &SecondLevel,
        policy: &CachePolicy,
        now: NumericDate,
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
        if value == FAILED {
            return ClaimState::Failed;
        }
        // Only searches have a cool-down. It is sealed, because it keeps a process from asking the
        // issuer.
        let searched_at = || {
            let payload = store.authentication.open(&self.name, value)?;
            let payload = json::parse_object(payload.as_bytes()).ok()?;
            date_from_json(payload.get("searched_at")?)
        };
        match searched_at().filter(|_| self.purpose == Purpose::Search) {
            Some(at) if elapsed(at, now) < policy.kid_cooldown => ClaimState::Searched(at),
            _ => ClaimState::Void,
        }
    }

    /// How to give the claim back after a round with this outcome.
    ///
    /// A search that asked the issuer becomes the cool-down of the whole fleet. A search that failed
    /// does not: the others would refuse tokens without knowing whether the issuer has the key.
    pub(crate) fn release<T>(
        &self,
        outcome: &Outcome<T>,
        store: &SecondLevel,
        policy: &CachePolicy,
    ) -> Release {
        if outcome.error.is_some() {
            return Release::Fail(FAILED.to_owned(), FAILURE_TTL);
        }
        let starts_cool_down = outcome.asked_issuer
            && self.purpose == Purpose::Search
            && !policy.kid_cooldown.is_zero();
        if !starts_cool_down {
            return Release::Delete;
        }
        let payload = json!({ "searched_at": date_to_json(self.began) }).to_string();
        let value = store.authentication.seal(&self.name, payload);
        Release::CoolDown(value, policy.kid_cooldown)
    }
}
