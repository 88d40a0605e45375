//! One round of fetching: what is tried, in which order, and what becomes of it.

use std::sync::Arc;
use std::time::SystemTime;

use a0_http::HttpClient;
use a0_jose::{Algorithm, NumericDate};

use crate::error::FetchError;
use crate::fetch::{FetchKeys, FetchRules, IssuerKeys};
use crate::flight::{Flight, Outcome};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;
use crate::second_level::SecondLevel;

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
    /// Carries out a round with `client`, which is this one's own but for refreshes that may have to
    /// end early.
    pub(crate) fn carry_out<C: HttpClient + ?Sized>(
        &self,
        flight: Flight,
        client: &C,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let outcome = self.fetch(client, issuer, goal, flight.in_hand(), now);
        flight.finish(outcome, (self.clock)().into());
    }

    fn fetch<C: HttpClient + ?Sized>(
        &self,
        client: &C,
        issuer: &Issuer,
        goal: Goal<'_>,
        in_memory: Option<Arc<IssuerKeys>>,
        now: NumericDate,
    ) -> Outcome {
        let is_newer = |keys: &Arc<IssuerKeys>| {
            let than = in_memory.as_ref();
            self.policy.may_serve(keys, now)
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
                keys: loaded,
                error: None,
            };
        }
        let in_hand = loaded.as_ref().or(in_memory.as_ref());
        match self.ask(client, issuer, goal, in_hand, now) {
            Ok(keys) => Outcome {
                keys: Some(Arc::new(keys)),
                error: None,
            },
            Err(error) => Outcome {
                keys: loaded,
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
