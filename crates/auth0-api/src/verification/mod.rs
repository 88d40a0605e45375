//! The verification of a request: [`order`] has the whole decision, top-down; every other file owns one
//! concern of it.

pub(crate) mod confirmation;
pub(crate) mod credentials;
pub(crate) mod issuers;
pub(crate) mod options;
mod order;
pub(crate) mod presented;
pub(crate) mod proof;
pub(crate) mod request;
pub(crate) mod resolver_error;
pub(crate) mod scheme;
mod spend;
pub(crate) mod token_cache;
pub(crate) mod verified;

use std::sync::Arc;
use std::time::SystemTime;

use a0_jose::{ClaimRules, HeaderRules, NumericDate};

use crate::challenger::Challenger;
use crate::error::Error;
use crate::refusal::Refusal;

pub(crate) use order::Need;
pub(crate) use spend::NeedSpend;

use issuers::Issuers;
use proof::DpopSettings;
use scheme::Scheme;
use token_cache::{TokenCache, TokenCacheStatus};

/// Everything a verification needs besides the request. `R` resolves the allowed domains.
pub(crate) struct Verifier<R> {
    pub(crate) issuers: Issuers<R>,
    pub(crate) max_token_size: usize,
    pub(crate) header_rules: HeaderRules,
    pub(crate) claim_rules: ClaimRules,
    pub(crate) dpop: DpopSettings,
    pub(crate) challenger: Challenger,
    /// Verified tokens, if they are cached.
    pub(crate) tokens: Option<TokenCache>,
    pub(crate) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl<R> Verifier<R> {
    pub(crate) fn challenged(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        self.challenger.challenged(refusal.into(), scheme)
    }

    pub(crate) fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.tokens.as_ref().map(TokenCache::status)
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        let nonces = self.dpop.nonces.as_ref()?;
        Some(nonces.issue(self.now()))
    }

    pub(crate) fn now(&self) -> NumericDate {
        (self.clock)().into()
    }
}
