//! The same for async callers: every step that waits for nothing is the blocking client's, and so are
//! the options, the errors and the results.
//!
//! ```no_run
//! # async fn run() -> Result<(), auth0_api::Error> {
//! use auth0_api::asynchronous::ApiClient;
//!
//! // Once, at the start. The client keeps the tenant's keys and is cheap to clone.
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
//! The client that is used unless another is given, `reqwest`, runs on `tokio`, and so do the tasks that
//! fetch keys. With another client, outside of that runtime, the callers fetch by themselves. A future
//! may be dropped at any time and strands nobody.
//!
//! A verification with keys in memory waits for nothing: it takes the processor for some tens of
//! microseconds, as any handler does. There is no need for `spawn_blocking`.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::asynchronous::KeyCache;
use a0_discovery::{CacheAdapterError, Issuer, IssuerStatus};
use a0_dpop::VerifiedProof;
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_http::{AsyncHttpClient, Step};
use a0_jose::{Claims, NumericDate};
use a0_single_flight::Timer;
use a0_token_exchange::{
    ConnectionToken, ExchangeError, IssuedToken, OnBehalfOf, Pending, TokenExchange, TokenResponse,
};

pub use crate::async_options::ResolverFuture;

use crate::async_options::AsyncResolver;
use crate::builder::Builder;
use crate::client_flows::{ClientFlows, Endpoint, Refuse, ended, judged};
use crate::error::{Error, ErrorKind};
use crate::refusal::Refusal;
use crate::verification::options::TokenOptions;
use crate::verification::proof::DpopProof;
use crate::verification::request::RequestContext;
use crate::verification::scheme::{DpopMode, Scheme};
use crate::verification::token_cache::TokenCacheStatus;
use crate::verification::verified::VerifiedToken;
use crate::verification::{Need, NeedSpend, Verifier};

/// [`crate::ApiClient`] for async callers. Cheap to clone; make one and keep it.
#[derive(Clone)]
pub struct ApiClient(Arc<AsyncSettings>);

pub(crate) struct AsyncSettings {
    pub(crate) verifier: Verifier<AsyncResolver>,
    pub(crate) keys: KeyCache,
    /// `None` where replay protection is turned off.
    pub(crate) replay_store: Option<Arc<dyn AsyncReplayStore>>,
    pub(crate) flows: ClientFlows,
    pub(crate) http_client: Arc<dyn AsyncHttpClient>,
    pub(crate) timer: Timer,
}

impl ApiClient {
    /// Where every client begins; [`Builder::build_async`] is where it ends.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_settings(settings: AsyncSettings) -> Self {
        ApiClient(Arc::new(settings))
    }

    /// As [`crate::ApiClient::verify_request`]. The future holds nothing of the request's body.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_request<'r>(
        &self,
        request: impl Into<RequestContext<'r>>,
    ) -> impl Future<Output = Result<VerifiedToken, Error>> + Send {
        let context = request.into();
        async move {
            let verifier = &self.0.verifier;
            let request = verifier.request(&context)?;
            let outcome = match verifier.begin(&request) {
                Ok(need) => self.drive(need).await,
                Err(refusal) => Err(refusal),
            };
            outcome.map_err(|refusal| verifier.challenged(refusal, Some(request.scheme())))
        }
    }

    /// Gives a verification what it needs until it is done.
    async fn drive(&self, mut need: Need<'_, AsyncResolver>) -> Result<VerifiedToken, Refusal> {
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
                Need::Spend(need) => return self.spend(need).await.map(|(_, token)| token),
                Need::Done(token) => return Ok(token),
            }
        }
    }

    async fn spend<T>(&self, need: NeedSpend<'_, T>) -> Result<(VerifiedProof, T), Refusal> {
        let Some(store) = &self.0.replay_store else {
            return need.resume(None);
        };
        let until = need.remember_until(self.now())?;
        let answer = store.check_and_insert(need.replay_key(), until, need.validated_at());
        let answer = answer.await;
        need.resume(Some(answer))
    }

    /// As [`crate::ApiClient::verify_dpop_proof`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error> {
        let verifier = &self.0.verifier;
        let outcome = match verifier.proof(proof) {
            Ok(need) => self.spend(need).await,
            Err(refusal) => Err(refusal),
        };
        let outcome = outcome.map(|(proof, ())| proof.into_claims());
        outcome.map_err(|refusal| verifier.challenged(refusal, Some(Scheme::Dpop)))
    }

    /// As [`crate::ApiClient::is_dpop_required`].
    pub fn is_dpop_required(&self) -> bool {
        self.0.verifier.dpop.mode == DpopMode::Required
    }

    /// As [`crate::ApiClient::dpop_nonce`].
    pub fn dpop_nonce(&self) -> Option<String> {
        self.0.verifier.nonce()
    }

    /// As [`crate::ApiClient::verify_access_token`]: it judges neither `cnf` nor proofs.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn verify_access_token(&self, access_token: &str) -> Result<VerifiedToken, Error> {
        let options = TokenOptions::new();
        self.verify_access_token_with(access_token, &options).await
    }

    /// As [`crate::ApiClient::verify_access_token_with`].
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
        let outcome = match verifier.token(access_token, options) {
            Ok(need) => self.drive(need).await,
            Err(refusal) => Err(refusal),
        };
        outcome.map_err(|refusal| verifier.challenged(refusal, Some(Scheme::Bearer)))
    }

    /// As [`crate::ApiClient::warm_up`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn warm_up(&self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for issuer in self.0.verifier.issuers.known() {
            let fetched = self.0.keys.keys(issuer, self.now()).await;
            outcome = outcome.and(fetched.map(|_| ()));
        }
        outcome.map_err(|error| self.0.verifier.challenged(error, None))
    }

    /// As [`crate::ApiClient::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn reload(&self, domain: &str) -> Result<(), Error> {
        let issuer = self.0.verifier.issuers.named(domain)?;
        let outcome = self.0.keys.reload(&issuer, self.now()).await;
        outcome
            .map(|_| ())
            .map_err(|error| self.0.verifier.challenged(error, None))
    }

    /// As [`crate::ApiClient::key_status`].
    pub fn key_status(&self) -> Vec<IssuerStatus> {
        self.0.keys.status(self.now())
    }

    /// As [`crate::ApiClient::token_cache_status`].
    pub fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.0.verifier.token_cache_status()
    }

    /// As [`crate::ApiClient::cache_misses`].
    pub fn cache_misses(&self) -> (u64, Option<CacheAdapterError>) {
        let keys = &self.0.keys;
        (keys.adapter_misses(), keys.last_adapter_error())
    }

    /// As [`crate::ApiClient::get_token_by_exchange_profile`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error> {
        let refuse = ErrorKind::GetTokenByExchangeProfile;
        judged(request.validate(), refuse)?;
        let endpoint = self.endpoint(refuse).await?;
        let call = judged(endpoint.client.exchange(request), refuse)?;
        let flows = &self.0.flows;
        let step = flows.start_bound(&endpoint, call, self.time());
        let response = self.carry_out(step).await?;
        flows.remember_nonce(&endpoint, &response);
        Ok(response)
    }

    /// As [`crate::ApiClient::get_token_on_behalf_of`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_token_on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
    ) -> Result<IssuedToken, Error> {
        let refuse = ErrorKind::GetTokenByExchangeProfile;
        judged(request.validate(), refuse)?;
        let flows = &self.0.flows;
        let exchange = async {
            let endpoint = self.endpoint(refuse).await?;
            let call = judged(endpoint.client.on_behalf_of(request), refuse)?;
            let step = flows.start_bound(&endpoint, call, self.time());
            let token = self.carry_out(step).await?;
            flows.remember_nonce(&endpoint, &token);
            Ok(token)
        };
        match flows.kept(request, self.0.verifier.max_token_size, self.now(), refuse)? {
            Some(kept) => {
                let is_good = kept.is_good();
                let token = kept
                    .cache
                    .get_async(&kept.key, &self.0.timer, is_good, exchange);
                token.await
            }
            None => exchange.await,
        }
    }

    /// As [`crate::ApiClient::get_access_token_for_connection`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let refuse = ErrorKind::GetAccessTokenForConnection;
        judged(request.validate(), refuse)?;
        let endpoint = self.endpoint(refuse).await?;
        let call = judged(endpoint.client.connection_token(request), refuse)?;
        self.carry_out(call.start(self.time())).await
    }

    async fn endpoint(&self, refuse: Refuse) -> Result<Endpoint, Error> {
        let flows = &self.0.flows;
        let issuer = flows.issuer(refuse)?;
        let url = self.0.keys.token_endpoint(issuer, self.now()).await;
        flows.endpoint(url, refuse)
    }

    async fn carry_out<T>(
        &self,
        step: Result<Step<Pending<T>>, ExchangeError>,
    ) -> Result<T, Error> {
        ended(match step {
            Ok(step) => a0_http::drive_async(&*self.0.http_client, step).await,
            Err(error) => Err(error),
        })
    }

    fn now(&self) -> NumericDate {
        self.0.verifier.now()
    }

    fn time(&self) -> SystemTime {
        (self.0.verifier.clock)()
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&Issuer> = self.0.verifier.issuers.known().collect();
        formatter
            .debug_struct("ApiClient")
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
