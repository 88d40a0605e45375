//! The blocking client.

use std::fmt;
use std::sync::Arc;

use a0_discovery::{CacheAdapterError, Issuer, IssuerStatus, KeyCache};
use a0_dpop::{InMemoryReplayStore, ReplayStore, VerifiedProof};
use a0_http::HttpClient;
use a0_jose::Claims;

use crate::authorization::policy::Policy;
use crate::error::refusal::Refusal;
use crate::error::{Error, Outage};
use crate::exchange::flows::ClientFlows;
use crate::observer::counters::Counts;
use crate::observer::event::Subject;
use crate::observer::refresh::Refreshes;
use crate::options::builder::{Builder, Replay};
use crate::resource_metadata::document::ProtectedResourceMetadata;
use crate::verification::context::{RequestContext, TokenOptions};
use crate::verification::proof_alone::DpopProof;
use crate::verification::request::{DpopMode, Scheme};
use crate::verification::resolver::Resolver;
use crate::verification::token::Decrypted;
use crate::verification::token::VerifiedToken;
use crate::verification::token_cache::TokenCacheStatus;
use crate::verification::{Need, ReplayCheck, Verifier};

/// Verifies requests to one API, and gets tokens for the APIs that it calls.
///
/// A client keeps the keys of its issuers in memory, so create one and share it. Clones are cheap and
/// share everything; any number of threads may use them.
#[derive(Clone)]
pub struct ApiClient(pub(crate) Arc<Settings>);

pub(crate) type Store = Arc<dyn ReplayStore>;

pub(crate) struct Settings {
    pub(crate) verifier: Verifier<Resolver, Store>,
    pub(crate) keys: KeyCache,
    pub(crate) flows: ClientFlows,
    pub(crate) http_client: Arc<dyn HttpClient>,
}

impl Builder {
    /// Builds a blocking client. It sends no request yet.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` if the audience is missing. `Configuration` if any other option cannot
    /// be used; the description says which one and what it may be.
    pub fn build(self) -> Result<ApiClient, Error> {
        #[cfg(feature = "async")]
        self.asynchronous.refuse_in_blocking_client()?;
        let replay_store: Option<Store> = match &self.replay_store {
            Replay::InMemory => Some(Arc::new(InMemoryReplayStore::default())),
            Replay::In(store) => Some(Arc::clone(store)),
            Replay::Off => None,
        };
        let parts = self.parts(self.domains_resolver.clone(), replay_store)?;
        let http_client = self.blocking_http_client()?;
        let clock = self.clock.clone();
        let keys = KeyCache::builder(parts.fetch_rules, Arc::clone(&http_client))
            .policy(parts.policy)
            .clock(move || clock.system_time())
            .observer(Refreshes(Arc::clone(&parts.verifier.telemetry)));
        let mut keys = self.add_keys(keys, &parts.verifier.issuers)?;
        if let Some((adapter, entries)) = self.cache {
            keys = keys.adapter(adapter, entries);
        }
        Ok(ApiClient(Arc::new(Settings {
            verifier: parts.verifier,
            keys: keys.build(),
            flows: parts.flows,
            http_client,
        })))
    }
}

impl ApiClient {
    /// Returns a builder. Only `domain` (or `domains`, `domains_resolver`) and `audience` have no default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Verifies a request. It must have exactly one `Authorization` field, whose access token passes
    /// [`verify_access_token`](ApiClient::verify_access_token), and:
    ///
    /// - with the scheme `Bearer` (RFC 6750 section 2.1), the token must not be bound to a key;
    /// - with the scheme `DPoP` (RFC 9449 section 7.1), the request must have exactly one `DPoP` field,
    ///   with a proof for this request and this token, signed by the key that the token is bound to. Each
    ///   proof is accepted once.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext};
    ///
    /// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
    /// let request = RequestContext::new().header("Authorization", "Bearer opaque");
    /// let error = client.verify_request(request).unwrap_err();
    /// assert_eq!(
    ///     error.error_description(),
    ///     "Failed to parse token: not a JWT; did the client request an audience?"
    /// );
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// An [`Error`] with the status and the challenges of the response to send.
    pub fn verify_request<'r>(
        &self,
        request: impl Into<RequestContext<'r>>,
    ) -> Result<VerifiedToken, Error> {
        let (context, verifier) = (request.into(), &self.0.verifier);
        verifier.telemetry.verification(Subject::Request, || {
            let request = verifier.read_request(&context)?;
            let mut proof = None;
            let result = verifier
                .verify_request(&request, &mut proof)
                .and_then(|need| self.drive(need));
            result.map_err(|refusal| request.error(refusal))
        })
    }

    /// Answers each need of a verification until the verification is done.
    fn drive(&self, mut need: Need<'_, Resolver, Store>) -> Result<VerifiedToken, Refusal> {
        loop {
            need = match need {
                Need::Domains(need) => {
                    let domains = need.resolver()(&need.context());
                    need.resume(domains)?
                }
                Need::Keys(need) => {
                    let (key_id, algorithm) = need.key()?;
                    let keys = &self.0.keys;
                    let keys = keys.keys_with(need.issuer(), key_id, algorithm, need.now());
                    need.resume(keys)?
                }
                Need::Replay(check) => return self.check_replay(check).map(|(_, token)| token),
                Need::Done(token) => return Ok(token),
            }
        }
    }

    fn check_replay<T>(
        &self,
        check: ReplayCheck<'_, Store, T>,
    ) -> Result<(VerifiedProof, T), Refusal> {
        match check {
            ReplayCheck::Off(proof, output) => Ok((proof, output)),
            ReplayCheck::Ask(need) => {
                let until = need.remember_until(self.0.verifier.clock.now())?;
                // Straight to the store: `Arc` would only forward the call.
                let store = &**need.store();
                let answer = store.check_and_insert(need.replay_key(), until, need.validated_at());
                need.resume(answer)
            }
        }
    }

    /// Verifies one DPoP proof by itself (RFC 9449 section 4.3), and records it as used. The access token
    /// is only hashed and compared with `ath`; it is not verified. To verify a request, use
    /// [`verify_request`](ApiClient::verify_request).
    ///
    /// This method works in every [`DpopMode`], `Disabled` included. Its errors carry the challenges of
    /// the configured mode: with `Disabled` that is a `Bearer` challenge alone.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` if an argument is empty or the URL is not absolute, `InvalidDpopProof`,
    /// `UseDpopNonce`, and `Unavailable` if the replay store fails.
    pub fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        let verifier = &self.0.verifier;
        verifier.telemetry.verification(Subject::DpopProof, || {
            let result = verifier
                .verify_proof(proof)
                .and_then(|check| self.check_replay(check));
            let result = result.map(|(proof, ())| proof.into_claims());
            result.map_err(|refusal| verifier.error(refusal, Some(Scheme::Dpop)))
        })
    }

    /// Returns whether the API accepts the scheme `DPoP` alone.
    pub fn is_dpop_required(&self) -> bool {
        self.0.verifier.dpop.mode == DpopMode::Required
    }

    /// The protected resource metadata of the API (RFC 9728), if
    /// [`protected_resource`](crate::Builder::protected_resource) is set.
    pub fn protected_resource_metadata(&self) -> Option<&ProtectedResourceMetadata> {
        self.0.verifier.resource_server.as_ref()?.metadata()
    }

    /// Returns a current nonce for the `DPoP-Nonce` field of any response (RFC 9449 section 8.2), or
    /// `None` if the API does not ask for nonces. A response with a nonce must not be cached.
    pub fn dpop_nonce(&self) -> Option<String> {
        self.0.verifier.nonce()
    }

    /// Verifies an access token by itself. It checks neither `cnf` nor proofs: a token that is bound to
    /// a key passes here, whoever sends it. To verify a request, use
    /// [`verify_request`](ApiClient::verify_request).
    ///
    /// The checks run in this order and stop at the first that fails: the form of the token (RFC 7515
    /// section 7.1, RFC 7516 section 7.1), decryption if it is encrypted, its header, `iss`, `aud`, `exp`, `iat`, `nbf`, the required claims, and the
    /// signature by a key of the issuer. Keys are fetched only for a token that passed every other check,
    /// and only if they are not in memory.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the status and the challenges of the response to send.
    pub fn verify_access_token(&self, access_token: &str) -> Result<VerifiedToken, Error> {
        self.verify_access_token_with(access_token, &TokenOptions::new())
    }

    /// Like [`verify_access_token`](ApiClient::verify_access_token), with options for this call.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the status and the challenges of the response to send.
    pub fn verify_access_token_with(
        &self,
        access_token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error> {
        let verifier = &self.0.verifier;
        verifier.telemetry.verification(Subject::AccessToken, || {
            let decrypted = Decrypted::default();
            let result = verifier
                .verify_token(access_token, options, &decrypted)
                .and_then(|need| self.drive(need));
            result.map_err(|refusal| verifier.error(refusal, Some(Scheme::Bearer)))
        })
    }

    /// Applies a policy to a verified token, as [`VerifiedToken::authorize`] does, and counts a refusal and
    /// tells it to the [observers](Builder::observer). The token alone does not know them.
    ///
    /// ```
    /// # fn handler(client: &auth0_api::ApiClient, token: &auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
    /// use auth0_api::Policy;
    ///
    /// client.authorize(token, &Policy::scope("read:orders"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`VerifiedToken::authorize`].
    pub fn authorize(&self, token: &VerifiedToken, policy: &Policy) -> Result<(), Error> {
        self.0.verifier.telemetry.authorize(token, policy)
    }

    /// Fetches the keys of every configured issuer, one after the other, so that the first request does
    /// not wait for them. Issuers that only a domains resolver names are not among them.
    ///
    /// # Errors
    ///
    /// `Unavailable` for the first issuer whose keys could not be fetched. All issuers are tried first.
    pub fn warm_up(&self) -> Result<(), Error> {
        let verifier = &self.0.verifier;
        let fetch = |issuer| {
            let keys = self.0.keys.keys(issuer, verifier.clock.now());
            keys.map(|_| ())
                .map_err(|error| Outage::keys(issuer, error))
        };
        let results: Vec<_> = verifier.issuers.configured().map(fetch).collect();
        let result: Result<(), _> = results.into_iter().collect();
        result.map_err(|error| verifier.error(error, None))
    }

    /// Fetches the keys of a domain's issuer now, even if fresh keys are in memory: after a key was
    /// revoked, for example. If the fetch fails, the keys in memory stay in use.
    ///
    /// # Errors
    ///
    /// `Configuration` if the API never accepts tokens of this domain, and `Unavailable` if the fetch
    /// fails.
    pub fn reload(&self, domain: &str) -> Result<(), Error> {
        let verifier = &self.0.verifier;
        let issuer = verifier.issuers.issuer_of(domain)?;
        let result = self.0.keys.reload(&issuer, verifier.clock.now());
        let result = result.map_err(|error| Outage::keys(&issuer, error));
        result
            .map(|_| ())
            .map_err(|outage| verifier.error(outage, None))
    }

    /// Returns the state of every issuer in memory: the age and the names of its keys, and its last
    /// failure. It sends no request, so health checks and metrics can call it.
    pub fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.keys.status(self.0.verifier.clock.now())
    }

    /// Whether this instance can take requests: keys of a configured issuer were fetched once. It stays true
    /// during an outage, and it is true if only a domains resolver names issuers. It sends no request.
    ///
    /// An instance becomes ready by [`warm_up`](Self::warm_up) or by a request.
    pub fn is_ready(&self) -> bool {
        self.0.verifier.issuers.is_ready(&self.key_status())
    }

    /// Returns the size and the hit counts of the [`token_cache`](Builder::token_cache), or `None` if it
    /// is off.
    pub fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.verifier.token_cache_status()
    }

    /// Returns how often what happened since the client was built: verifications by outcome, refreshes of
    /// keys, exchanges, and what no response shows.
    pub fn counts(&self) -> Counts {
        self.0.verifier.telemetry.counts()
    }

    /// Returns how often the adapter given to [`cache`](Builder::cache) failed or held an entry that
    /// could not be used, and its last error.
    pub fn cache_failures(&self) -> (u64, Option<CacheAdapterError>) {
        let keys = &self.0.keys;
        (keys.adapter_failures(), keys.last_adapter_error())
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&Issuer> = self.0.verifier.issuers.configured().collect();
        formatter
            .debug_struct("ApiClient")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
