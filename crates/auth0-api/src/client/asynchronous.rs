//! The async client (feature `async`). It has the methods of the blocking
//! [`ApiClient`](crate::ApiClient), with the same options, results and errors.
//!
//! ```no_run
//! # async fn run() -> Result<(), auth0_api::Error> {
//! use auth0_api::asynchronous::ApiClient;
//!
//! // Create one client at startup and share it: it keeps the tenant's keys. Clones are cheap.
//! let client = ApiClient::builder()
//!     .domain("tenant.eu.auth0.com")
//!     .audience("https://api.example/")
//!     .build_async()?;
//!
//! # let request = http::Request::new(());
//! match client.verify_request(&request).await {
//!     Ok(token) => println!("{:?} may go on", token.subject()?),
//!     Err(error) => println!("answer {} with {:?}", error.status_code(), error.headers()),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Runtimes
//!
//! The default HTTP client, `reqwest`, needs `tokio`, and keys are fetched in `tokio` tasks. With an HTTP
//! client of your own the client also works outside `tokio`: each call then does its own fetches. A
//! future may be dropped at any time; other callers are not affected.
//!
//! If the keys are in memory, a verification does not wait for anything. It uses the CPU for some tens of
//! microseconds, so it does not need `spawn_blocking`.

use std::fmt;
use std::sync::Arc;

use a0_discovery::asynchronous::{KeyCache, Task};
use a0_discovery::{CacheAdapterError, Issuer, IssuerStatus};
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_dpop::{InMemoryReplayStore, VerifiedProof};
use a0_http::AsyncHttpClient;
use a0_jose::Claims;
use a0_single_flight::Timer;

use crate::authorization::policy::Policy;
use crate::error::refusal::Refusal;
use crate::error::{Error, Outage};
use crate::exchange::flows::ClientFlows;
use crate::observer::counters::Counts;
use crate::observer::event::Subject;
use crate::observer::refresh::Refreshes;
use crate::options::asynchronous::AsyncResolver;
use crate::options::builder::{Builder, Replay};
use crate::resource_metadata::document::ProtectedResourceMetadata;
use crate::verification::context::{RequestContext, TokenOptions};
use crate::verification::proof_alone::DpopProof;
use crate::verification::request::{DpopMode, Scheme};
use crate::verification::token::Decrypted;
use crate::verification::token::VerifiedToken;
use crate::verification::token_cache::TokenCacheStatus;
use crate::verification::{Need, ReplayCheck, Verifier};

pub use crate::options::asynchronous::ResolverFuture;

/// The async counterpart of [`crate::ApiClient`]. Create one and share it; clones are cheap.
#[derive(Clone)]
pub struct ApiClient(pub(crate) Arc<Settings>);

pub(crate) type Store = Arc<dyn AsyncReplayStore>;

pub(crate) struct Settings {
    pub(crate) verifier: Verifier<AsyncResolver, Store>,
    pub(crate) keys: KeyCache,
    pub(crate) flows: ClientFlows,
    pub(crate) http_client: Arc<dyn AsyncHttpClient>,
    pub(crate) timer: Timer,
}

impl Builder {
    /// Builds an async client (feature `async`). It sends no request yet.
    ///
    /// # Errors
    ///
    /// The errors of [`build`](Builder::build). Also `Configuration` if `http_client`,
    /// `domains_resolver`, `cache` or `replay_store` is set: these would block a task, and each has an
    /// async counterpart. `build`, in turn, refuses the async ones.
    pub fn build_async(self) -> Result<ApiClient, Error> {
        self.refuse_blocking_options()?;
        let options = self.asynchronous.clone();
        let replay_store: Option<Store> = match (&self.replay_store, options.replay_store) {
            (Replay::Off, _) => None,
            (_, Some(store)) => Some(store),
            (_, None) => Some(Arc::new(InMemoryReplayStore::default())),
        };
        let parts = self.parts(options.domains_resolver, replay_store)?;
        let http_client = self.new_async_http_client()?;
        let (clock, timer) = (self.clock.clone(), Timer::default());
        let key_timer = timer.clone();
        let keys = KeyCache::builder(parts.fetch_rules, Arc::clone(&http_client))
            .policy(parts.policy)
            .clock(move || clock.system_time())
            .sleep(move |duration| key_timer.sleep(duration))
            .observer(Refreshes(Arc::clone(&parts.verifier.telemetry)));
        let mut keys = self.add_keys(keys, &parts.verifier.issuers)?;
        if let Some((adapter, entries)) = options.cache {
            keys = keys.async_adapter(adapter, entries);
        }
        Ok(ApiClient(Arc::new(Settings {
            verifier: parts.verifier,
            keys: keys.build_async(spawn),
            flows: parts.flows,
            http_client,
            timer,
        })))
    }
}

/// Hands the task back outside a runtime, where the caller runs it.
fn spawn(task: Task) -> Option<Task> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(task);
            None
        }
        Err(_) => Some(task),
    }
}

impl ApiClient {
    /// Returns a builder; finish it with [`Builder::build_async`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Whether `other` is a clone of this client, so that both share keys, replay store and options.
    pub fn is_clone_of(&self, other: &ApiClient) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// See [`crate::ApiClient::verify_request`]. The future does not borrow the request's body.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_request<'r>(
        &self,
        request: impl Into<RequestContext<'r>>,
    ) -> impl Future<Output = Result<VerifiedToken, Error>> + Send {
        let context = request.into();
        let verifier = &self.0.verifier;
        let work = async move {
            let request = verifier.read_request(&context)?;
            let mut proof = None;
            let result = match verifier.verify_request(&request, &mut proof) {
                Ok(need) => self.drive(need).await,
                Err(refusal) => Err(refusal),
            };
            result.map_err(|refusal| request.error(refusal))
        };
        verifier
            .telemetry
            .verification_async(Subject::Request, work)
    }

    /// Answers each need of a verification until the verification is done.
    async fn drive(
        &self,
        mut need: Need<'_, AsyncResolver, Store>,
    ) -> Result<VerifiedToken, Refusal> {
        loop {
            need = match need {
                Need::Domains(need) => {
                    let domains = need.resolver()(&need.context()).await;
                    need.resume(domains)?
                }
                Need::Keys(need) => {
                    let (key_id, algorithm) = need.key()?;
                    let keys = &self.0.keys;
                    let keys = keys.keys_with(need.issuer(), key_id, algorithm, need.now());
                    let keys = keys.await;
                    need.resume(keys)?
                }
                Need::Replay(check) => {
                    return self.check_replay(check).await.map(|(_, token)| token);
                }
                Need::Done(token) => return Ok(token),
            }
        }
    }

    async fn check_replay<T>(
        &self,
        check: ReplayCheck<'_, Store, T>,
    ) -> Result<(VerifiedProof, T), Refusal> {
        match check {
            ReplayCheck::Off(proof, output) => Ok((proof, output)),
            ReplayCheck::Ask(need) => {
                let until = need.remember_until(self.0.verifier.clock.now())?;
                let store = need.store();
                let answer = store.check_and_insert(need.replay_key(), until, need.validated_at());
                let answer = answer.await;
                need.resume(answer)
            }
        }
    }

    /// See [`crate::ApiClient::verify_dpop_proof`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        let verifier = &self.0.verifier;
        let work = async {
            let result = match verifier.verify_proof(proof) {
                Ok(check) => self.check_replay(check).await,
                Err(refusal) => Err(refusal),
            };
            let result = result.map(|(proof, ())| proof.into_claims());
            result.map_err(|refusal| verifier.error(refusal, Some(Scheme::Dpop)))
        };
        let telemetry = &verifier.telemetry;
        telemetry.verification_async(Subject::DpopProof, work).await
    }

    /// See [`crate::ApiClient::is_dpop_required`].
    pub fn is_dpop_required(&self) -> bool {
        self.0.verifier.dpop.mode == DpopMode::Required
    }

    /// See [`crate::ApiClient::protected_resource_metadata`].
    pub fn protected_resource_metadata(&self) -> Option<&ProtectedResourceMetadata> {
        self.0.verifier.resource_server.as_ref()?.metadata()
    }

    /// See [`crate::ApiClient::dpop_nonce`].
    pub fn dpop_nonce(&self) -> Option<String> {
        self.0.verifier.nonce()
    }

    /// See [`crate::ApiClient::verify_access_token`]: it checks neither `cnf` nor proofs.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_access_token(&self, access_token: &str) -> Result<VerifiedToken, Error> {
        let options = TokenOptions::new();
        self.verify_access_token_with(access_token, &options).await
    }

    /// See [`crate::ApiClient::verify_access_token_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_access_token_with(
        &self,
        access_token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error> {
        let verifier = &self.0.verifier;
        let work = async {
            let decrypted = Decrypted::default();
            let result = match verifier.verify_token(access_token, options, &decrypted) {
                Ok(need) => self.drive(need).await,
                Err(refusal) => Err(refusal),
            };
            result.map_err(|refusal| verifier.error(refusal, Some(Scheme::Bearer)))
        };
        let telemetry = &verifier.telemetry;
        telemetry
            .verification_async(Subject::AccessToken, work)
            .await
    }

    /// See [`crate::ApiClient::authorize`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn authorize(&self, token: &VerifiedToken, policy: &Policy) -> Result<(), Error> {
        self.0.verifier.telemetry.authorize(token, policy)
    }

    /// See [`crate::ApiClient::warm_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let verifier = &self.0.verifier;
        let mut result = Ok(());
        for issuer in verifier.issuers.configured() {
            let fetched = self.0.keys.keys(issuer, verifier.clock.now()).await;
            let fetched = fetched.map_err(|error| Outage::keys(issuer, error));
            result = result.and(fetched.map(|_| ()));
        }
        result.map_err(|error| verifier.error(error, None))
    }

    /// See [`crate::ApiClient::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn reload(&self, domain: &str) -> Result<(), Error> {
        let verifier = &self.0.verifier;
        let issuer = verifier.issuers.issuer_of(domain)?;
        let result = self.0.keys.reload(&issuer, verifier.clock.now()).await;
        let result = result.map_err(|error| Outage::keys(&issuer, error));
        result
            .map(|_| ())
            .map_err(|error| verifier.error(error, None))
    }

    /// See [`crate::ApiClient::key_status`].
    pub fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.keys.status(self.0.verifier.clock.now())
    }

    /// See [`crate::ApiClient::is_ready`].
    pub fn is_ready(&self) -> bool {
        self.0.verifier.issuers.is_ready(&self.key_status())
    }

    /// See [`crate::ApiClient::token_cache_status`].
    pub fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.verifier.token_cache_status()
    }

    /// See [`crate::ApiClient::counts`].
    pub fn counts(&self) -> Counts {
        self.0.verifier.telemetry.counts()
    }

    /// See [`crate::ApiClient::cache_failures`].
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
