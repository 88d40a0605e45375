//! The options of what is kept: keys, verified tokens, exchanged tokens.

use std::sync::Arc;
use std::time::Duration;

use a0_discovery::{CacheAdapter, Refresh};

use crate::builder::Builder;

impl Builder {
    /// The longest time that keys are fresh; 600 seconds by default. After it they serve on while
    /// newer ones are fetched. Zero fetches them for every verification.
    pub fn cache_ttl(mut self, ttl: Duration) -> Self {
        self.cache_policy.ttl = ttl;
        self
    }

    /// The shortest such time, whatever the server says; 300 seconds by default. With zero, keys are
    /// fetched as often as the server's `max-age` asks for; fetches that nobody waits for are at
    /// least 15 seconds apart all the same.
    pub fn cache_min_ttl(mut self, min_ttl: Duration) -> Self {
        self.cache_policy.min_ttl = min_ttl;
        self
    }

    /// How long after they were fetched keys may serve while newer ones cannot be had; one hour by
    /// default. A key that was removed can live as long while its issuer does not answer, or for
    /// `cache_ttl` if that is longer.
    pub fn max_stale(mut self, max_stale: Duration) -> Self {
        self.cache_policy.max_stale = max_stale;
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
    pub fn obo_cache(mut self, max_entries: usize) -> Self {
        self.flows.obo_cache = max_entries;
        self
    }
}
