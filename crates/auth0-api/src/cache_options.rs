//! The options of what is kept: keys, verified tokens, exchanged tokens.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::{CacheAdapter, CachePolicy, MAX_TTL, Refresh};

use crate::builder::Builder;
use crate::error::Error;

impl Builder {
    /// The longest time that keys are fresh; 600 seconds by default, 24 hours at most. After it they
    /// serve on while newer ones are fetched. Zero fetches them for every verification.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_policy.ttl = ttl;
        self.cache_ttl_variable = None;
        self
    }

    /// The shortest such time, whatever the server says; 300 seconds by default. With zero, keys are
    /// fetched as often as the server's `max-age` asks for; fetches that nobody waits for are at
    /// least 15 seconds apart all the same.
    pub fn cache_min_ttl(mut self, min_ttl: Duration) -> Self {
        self.cache_policy.min_ttl = min_ttl;
        self
    }

    /// How long after they were asked for keys may serve while newer ones cannot be had; by default one
    /// hour, or [`cache_ttl`](Builder::cache_ttl) if that is longer. 24 hours at most. A key that its
    /// issuer removed can live as long while the issuer does not answer.
    ///
    /// Zero serves fresh keys only. Any other value must be at least `cache_ttl`.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = Some(max_stale);
        self
    }

    /// The shortest time between two fetches of an issuer's keys for the sake of a `kid` that is not
    /// among them; 30 seconds by default.
    pub fn kid_cooldown(mut self, cooldown: Duration) -> Self {
        self.cache_policy.kid_cooldown = cooldown;
        self
    }

    /// Who waits while keys that are no longer fresh are fetched again; by default nobody does.
    pub fn cache_refresh(mut self, refresh: Refresh) -> Self {
        self.cache_policy.refresh = refresh;
        self
    }

    /// Issuers whose keys are kept; 100 by default, 2 at least.
    pub fn cache_max_entries(mut self, issuers: usize) -> Self {
        self.cache_max_entries = issuers;
        self
    }

    /// A second level behind the memory, for processes to share what they fetched. Whoever can
    /// write to it decides whose tokens are taken: see [`CacheAdapter`].
    pub fn cache(mut self, adapter: impl CacheAdapter + 'static) -> Self {
        self.cache = Some(Arc::new(adapter));
        self
    }

    /// Keeps verified tokens in memory, so many at most, so that the signature of one that comes again
    /// is not checked again. Off by default.
    ///
    /// All else is: `iss`, `aud`, `exp`, `nbf`, `cnf`, the required claims, and the claims and the
    /// signature of the proof are judged each time. The header of a proof and the key in it are kept
    /// beside their token, and not judged again where the very same header comes again. Nothing serves beyond the keys that vouched for it: once a fetch replaces them, the
    /// signature is checked anew. Refusals are not kept. An entry holds the token's claims and none of its
    /// signature.
    pub fn token_cache(mut self, max_entries: usize) -> Self {
        self.token_cache = max_entries;
        self
    }

    /// Keeps the tokens of
    /// [`get_token_on_behalf_of`](crate::ApiClient::get_token_on_behalf_of) in memory, so many at
    /// most, and gives them again for the same access token, audience and scope until shortly before
    /// they or that access token expire. Off by default: a grant that is revoked meanwhile is not
    /// noticed until then.
    ///
    /// Callers that ask for the same token at the same time share one exchange. None of them waits for it
    /// longer than [`max_wait`](Builder::max_wait).
    pub fn obo_cache(mut self, max_entries: usize) -> Self {
        self.flows.obo_cache = max_entries;
        self
    }

    /// The options of the key cache, together.
    pub(crate) fn key_policy(&self) -> Result<CachePolicy, Error> {
        let mut policy = self.cache_policy;
        let ttl_name = match self.cache_ttl_variable {
            Some(variable) => format!("cache_ttl ({variable})"),
            None => "cache_ttl".to_owned(),
        };
        at_most_a_day(&ttl_name, policy.ttl)?;
        policy.max_stale = match self.max_stale {
            None => policy.max_stale.max(policy.ttl),
            Some(max_stale) if !max_stale.is_zero() && max_stale < policy.ttl => {
                return Err(Error::configuration(format!(
                    "max_stale must be zero, or at least {ttl_name}"
                )));
            }
            Some(max_stale) => at_most_a_day("max_stale", max_stale)?,
        };
        policy.timeout = self.timeout.unwrap_or(policy.timeout);
        policy.max_wait = self.max_wait.unwrap_or(policy.timeout);
        policy.max_issuers = NonZeroUsize::new(self.cache_max_entries)
            .filter(|entries| entries.get() > 1)
            .ok_or_else(|| {
                Error::configuration("cache_max_entries must be an integer greater than 1")
            })?;
        Ok(policy)
    }
}

fn at_most_a_day(option: &str, duration: Duration) -> Result<Duration, Error> {
    match duration > MAX_TTL {
        true => Err(Error::configuration(format!(
            "{option} must be at most {} seconds",
            MAX_TTL.as_secs()
        ))),
        false => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_not_given_follow_those_that_are() -> Result<(), Error> {
        let seconds = Duration::from_secs;
        let builder = Builder::default;
        // (builder, max_stale, timeout, max_wait)
        for (builder, max_stale, timeout, max_wait) in [
            (builder(), 3600, 10, 10),
            (builder().cache_ttl(seconds(3600)), 3600, 10, 10),
            (builder().cache_ttl(seconds(7200)), 7200, 10, 10),
            (builder().cache_ttl(MAX_TTL), 86_400, 10, 10),
            (builder().max_stale(MAX_TTL), 86_400, 10, 10),
            (builder().max_stale(Duration::ZERO), 0, 10, 10),
            (builder().max_stale(seconds(600)), 600, 10, 10),
            (builder().timeout(seconds(3)), 3600, 3, 3),
            (builder().max_wait(seconds(2)), 3600, 10, 2),
            (builder().max_wait(Duration::ZERO), 3600, 10, 0),
            (
                builder().max_wait(seconds(30)).timeout(seconds(5)),
                3600,
                5,
                30,
            ),
        ] {
            let policy = builder.key_policy()?;
            let expected = [max_stale, timeout, max_wait].map(seconds);
            assert_eq!(
                [policy.max_stale, policy.timeout, policy.max_wait],
                expected
            );
        }
        Ok(())
    }
}
