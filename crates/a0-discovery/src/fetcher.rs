//! One round of fetching: what is tried, in which order, and what becomes of it.

use std::sync::Arc;
use std::time::SystemTime;

use a0_http::HttpClient;
use a0_jose::{Algorithm, NumericDate};

use crate::error::FetchError;
use crate::fetch::{FetchKeys, FetchMetadata, FetchRules, IssuerKeys, ServerMetadata};
use crate::flight::Flight;
use crate::issuer::Issuer;
use crate::policy::CachePolicy;
use crate::record::Outcome;
use crate::second_level::SecondLevel;
use crate::stamp::Kept;

pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What a round is for.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'k> {
    /// Keys that are fresh.
    Fresh,
    /// A key of this `kid` for this algorithm.
    Key(&'k str, Algorithm),
    /// What the issuer says now.
    Newest,
}

/// Everything that a round needs.
pub(crate) struct Fetcher {
    pub(crate) rules: Arc<FetchRules>,
    pub(crate) client: Arc<dyn HttpClient>,
    pub(crate) policy: CachePolicy,
    pub(crate) second_level: SecondLevel,
    pub(crate) clock: Clock,
}

impl Fetcher {
    /// Carries out a round: `fetch` is given what it is to replace.
    pub(crate) fn carry_out<T: Kept>(
        &self,
        flight: Flight<T>,
        fetch: impl FnOnce(Option<Arc<T>>) -> Outcome<T>,
    ) {
        let outcome = fetch(flight.in_hand());
        flight.finish(outcome, (self.clock)().into());
    }

    /// Metadata alone.
    pub(crate) fn metadata<C: HttpClient + ?Sized>(
        &self,
        client: &C,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Outcome<ServerMetadata> {
        let fetched =
            FetchMetadata::start(issuer.clone(), now).and_then(|step| a0_http::drive(client, step));
        let (value, error) = match fetched {
            Ok(metadata) => (Some(Arc::new(metadata)), None),
            Err(error) => (None, Some(error)),
        };
        Outcome { value, error }
    }

    /// Metadata and keys, or the keys alone.
    pub(crate) fn keys<C: HttpClient + ?Sized>(
        &self,
        client: &C,
        issuer: &Issuer,
        goal: Goal<'_>,
        in_memory: Option<Arc<IssuerKeys>>,
        now: NumericDate,
    ) -> Outcome<IssuerKeys> {
        let is_newer = |keys: &Arc<IssuerKeys>| {
            let than = in_memory.as_ref();
            self.policy.may_serve(&**keys, now)
                && than.is_none_or(|than| keys.stamp.requested_at > than.stamp.requested_at)
        };
        let loaded = match goal {
            Goal::Newest => None,
            _ => self.second_level.load(issuer, &self.rules, now),
        };
        let loaded = loaded.map(Arc::new).filter(is_newer);
        if let Some(keys) = &loaded
            && self.meets(goal, keys, now)
        {
            return Outcome {
                value: loaded,
                error: None,
            };
        }
        let in_hand = loaded.as_ref().or(in_memory.as_ref());
        match self.ask(client, issuer, goal, in_hand, now) {
            Ok(keys) => Outcome {
                value: Some(Arc::new(keys)),
                error: None,
            },
            Err(error) => Outcome {
                value: loaded,
                error: Some(error),
            },
        }
    }

    fn meets(&self, goal: Goal<'_>, keys: &IssuerKeys, now: NumericDate) -> bool {
        match goal {
            Goal::Fresh => self.policy.are_fresh(keys, now),
            Goal::Key(key_id, algorithm) => keys.keys().contains(key_id, algorithm),
            Goal::Newest => false,
        }
    }

    /// Asks the issuer: for its keys alone where the metadata in hand will do.
    fn ask<C: HttpClient + ?Sized>(
        &self,
        client: &C,
        issuer: &Issuer,
        goal: Goal<'_>,
        in_hand: Option<&Arc<IssuerKeys>>,
        now: NumericDate,
    ) -> Result<IssuerKeys, FetchError> {
        let will_do = |keys: &&Arc<IssuerKeys>| match goal {
            Goal::Fresh => self.policy.is_fresh(keys.source.stamp, now),
            Goal::Key(..) => true,
            Goal::Newest => false,
        };
        let rules = Arc::clone(&self.rules);
        let step = match in_hand.filter(will_do) {
            Some(keys) => FetchKeys::start_with(keys, issuer.clone(), rules, now)?,
            None => FetchKeys::start(issuer.clone(), rules, now)?,
        };
        let fetched = a0_http::drive(client, step)?;
        let served_for = self.policy.max_stale.max(self.policy.ttl);
        self.second_level.store(issuer, &fetched, served_for);
        Ok(fetched.into_keys())
    }
}
