//! The verification of requests, tokens and proofs. [`order`] has the whole order, top-down; every other
//! file owns one concern.

mod certificate;
pub(crate) mod confirmation;
pub(crate) mod context;
pub(crate) mod detail;
pub(crate) mod issuers;
mod order;
pub(crate) mod proof_alone;
pub(crate) mod request;
pub(crate) mod resolver;
pub(crate) mod sender;
mod times;
pub(crate) mod token;
pub(crate) mod token_cache;
pub(crate) mod typed;
mod verified;

use std::sync::Arc;

use a0_jose::{ClaimRules, HeaderRules};

use crate::authorization::resource_server::ResourceServer;
use crate::clock::Clock;
use crate::error::Error;
use crate::error::challenger::Challenger;
use crate::error::refusal::Refusal;
use crate::observer::telemetry::Telemetry;

pub(crate) use order::Need;
pub(crate) use sender::ReplayCheck;

use issuers::{AllowedAlgorithms, Issuers};
use request::Scheme;
use sender::DpopSettings;
use token::{Decryption, KnownHeaders};
use token_cache::{TokenCache, TokenCacheStatus};

/// Everything a verification needs besides the request. `R` resolves the allowed domains; `S` is the
/// replay store.
pub(crate) struct Verifier<R, S> {
    pub(crate) issuers: Issuers<R>,
    pub(crate) allowed_algorithms: AllowedAlgorithms,
    pub(crate) max_token_size: usize,
    pub(crate) keep_access_tokens: bool,
    /// `None` if encrypted tokens are not accepted.
    pub(crate) decryption: Option<Decryption>,
    pub(crate) header_rules: HeaderRules,
    pub(crate) known_headers: KnownHeaders,
    pub(crate) claim_rules: ClaimRules,
    /// Whether tokens of anonymous sessions are accepted.
    pub(crate) allow_anonymous: bool,
    /// For diagnoses: `claim_rules` compare the audience.
    pub(crate) audiences: Vec<String>,
    pub(crate) dpop: DpopSettings,
    /// Whether tokens that are bound to a certificate are accepted.
    pub(crate) certificate_bound_tokens: bool,
    pub(crate) challenger: Challenger,
    pub(crate) telemetry: Arc<Telemetry>,
    /// `None` if the API configures nothing of it.
    pub(crate) resource_server: Option<Arc<ResourceServer>>,
    /// `None` if replay protection is turned off.
    pub(crate) replay_store: Option<S>,
    /// `None` if verified tokens are not cached.
    pub(crate) tokens: Option<TokenCache>,
    pub(crate) clock: Clock,
}

impl<R, S> Verifier<R, S> {
    /// Adds the challenges to a refusal. `scheme` is the scheme of the request's credentials.
    pub(crate) fn error(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        let server = self.resource_server.as_deref();
        self.challenger.error(refusal.into(), scheme, server)
    }

    pub(crate) fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.tokens.as_ref().map(TokenCache::status)
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        let nonces = self.dpop.nonces.as_ref()?;
        Some(nonces.issue(self.clock.now()))
    }
}
