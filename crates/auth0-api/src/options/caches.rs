//! The options of the caches: keys, verified tokens, exchanged tokens.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_discovery::{CacheAdapter, CachePolicy, EntryAuthentication, MAX_TTL, Refresh};

use crate::error::Error;

use super::builder::Builder;

/// Keys that a client starts with.
#[derive(Clone)]
pub(crate) struct InitialKeys {
    pub(super) domain: String,
    pub(super) jwks: String,
    pub(super) fetched_at: SystemTime,
}

impl Builder {
    /// How long keys are fresh at most; 600 seconds by default, at most 24 hours. Stale keys stay in use
    /// while they are refreshed. With zero, every verification fetches keys.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_policy.ttl = ttl;
        self.cache_ttl_variable = None;
        self
    }

    /// How long keys are fresh at least, even if the server's `max-age` is shorter; 300 seconds by
    /// default. With zero, keys are fetched as often as `max-age` asks; background refreshes are still at
    /// least 15 seconds apart.
    pub fn cache_min_ttl(mut self, min_ttl: Duration) -> Self {
        self.cache_policy.min_ttl = min_ttl;
        self
    }

    /// How long keys may be used, counted from the request that fetched them, if they cannot be refreshed;
    /// by default one hour, or [`cache_ttl`](Builder::cache_ttl) if that is longer. At most 24 hours. While
    /// its issuer does not answer, a removed key can stay in use for that long.
    ///
    /// With zero, only fresh keys are used. Any other value must be at least `cache_ttl`.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.max_stale = Some(max_stale);
        self
    }

    /// The shortest time between two fetches that an unknown `kid` causes, for each issuer; 30 seconds by
    /// default. Processes that share a [`cache`](Builder::cache) with leases have it together.
    pub fn kid_cooldown(mut self, cooldown: Duration) -> Self {
        self.cache_policy.kid_cooldown = cooldown;
        self
    }

    /// Whether calls wait while stale keys are refreshed; by default they do not.
    pub fn cache_refresh(mut self, refresh: Refresh) -> Self {
        self.cache_policy.refresh = refresh;
        self
    }

    /// The number of issuers whose keys are kept in memory; 100 by default, at least 2.
    pub fn cache_max_entries(mut self, issuers: usize) -> Self {
        self.cache_max_entries = issuers;
        self
    }

    /// A second cache behind the one in memory, so that several processes share fetched keys. If the store
    /// [has leases](CacheAdapter::has_leases), one process fetches for all.
    ///
    /// `entries` says how a process recognises what its own fleet has stored: by [`EntryKeys`], a secret that
    /// all processes share. With [`EntryAuthentication::unauthenticated_entries`], anyone who can write to the
    /// store decides which tokens are accepted; it is for a store in the memory of one process.
    ///
    /// ```
    /// use auth0_api::{ApiClient, EntryKeys};
    /// use auth0_api::discovery::InMemoryCache;
    ///
    /// # let secret = [7; 32];
    /// let store = InMemoryCache::new(100); // Or a store that processes share.
    /// let client = ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .cache(store, EntryKeys::new(secret)?)
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`EntryKeys`]: a0_discovery::EntryKeys
    pub fn cache(
        mut self,
        adapter: impl CacheAdapter + 'static,
        entries: impl Into<EntryAuthentication>,
    ) -> Self {
        self.cache = Some((Arc::new(adapter), entries.into()));
        self
    }

    /// Keys of `domain` to start with, for a cold start while the tenant is away. `jwks` is the JSON text of
    /// its key set, for example saved when an image was built, and `fetched_at` is when it was requested.
    /// Call it once for each domain.
    ///
    /// The keys have the age that they would have if this client had fetched them then: after
    /// [`cache_ttl`](Builder::cache_ttl) they are stale and are refreshed, and past
    /// [`max_stale`](Builder::max_stale) they are ignored, however soon after the start. So are keys from the
    /// future. Whoever can write the text decides which tokens are accepted. For keys that never age, use
    /// [`static_keys`](Builder::static_keys).
    ///
    /// `build` fails if the text is no key set or has no usable key, or if the API does not accept tokens of
    /// this domain.
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// # let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"k",
    /// #     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// let client = auth0_api::ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .algorithms(["EdDSA"])
    ///     .initial_keys("tenant.example", jwks, SystemTime::now())
    ///     .build()?;
    /// assert_eq!(client.key_status()[0].freshness, auth0_api::Freshness::Fresh);
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn initial_keys(
        mut self,
        domain: impl Into<String>,
        jwks: impl Into<String>,
        fetched_at: SystemTime,
    ) -> Self {
        self.initial_keys.push(InitialKeys {
            domain: domain.into(),
            jwks: jwks.into(),
            fetched_at,
        });
        self
    }

    /// The number of verified tokens to keep in memory, so that the signature of a token that comes again
    /// is not verified again. Zero, the default, turns the cache off.
    ///
    /// Everything else is checked each time: `iss`, `aud`, `exp`, `nbf`, `cnf`, the required claims, and
    /// the claims and the signature of the proof. The header of a proof and its key are cached with the
    /// token and used again for a proof with an identical header. When a fetch replaces the issuer's
    /// keys, the signature is verified again. Refusals are not cached. An entry holds the token's claims,
    /// but not its signature.
    pub fn token_cache(mut self, max_entries: usize) -> Self {
        self.token_cache = max_entries;
        self
    }

    /// The number of tokens of [`get_token_on_behalf_of`](crate::ApiClient::get_token_on_behalf_of) to
    /// keep in memory. A cached token is returned for the same access token, audience and scope until
    /// shortly before either token expires. Zero, the default, turns the cache off. With the cache on, a
    /// grant that is revoked in the meantime is noticed only then.
    ///
    /// Concurrent calls for the same token share one exchange. None of them waits for it longer than
    /// [`max_wait`](Builder::max_wait).
    pub fn obo_cache(mut self, max_entries: usize) -> Self {
        self.flows.obo_cache = max_entries;
        self
    }

    /// Combines the options of the key cache.
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
    if duration > MAX_TTL {
        let limit = MAX_TTL.as_secs();
        let description = format!("{option} must be at most {limit} seconds");
        return Err(Error::configuration(description));
    }
    Ok(duration)
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
