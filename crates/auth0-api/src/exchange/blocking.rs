//! The client flows of the blocking client.

use std::sync::atomic::{AtomicBool, Ordering};

use a0_http::Step;
use a0_token_exchange::{
    ConnectionToken, ExchangeError, IssuedToken, OnBehalfOf, Pending, TokenExchange, TokenRequest,
    TokenResponse, WorkerToken,
};

use crate::client::blocking::ApiClient;
use crate::error::{Error, ErrorKind};
use crate::observer::event::Flow;

use super::flows::{Endpoint, IntoErrorKind, api_error, request_error};

impl ApiClient {
    /// Exchanges an external token for an Auth0 token (RFC 8693). The type of the subject token selects
    /// Auth0's Token Exchange Profile.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` or `GetTokenByExchangeProfile` if the request or the configuration is at
    /// fault; `Api` if the token endpoint refuses, fails or cannot be reached.
    pub fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error> {
        let kind = ErrorKind::GetTokenByExchangeProfile;
        let exchange = || {
            request_error(request.validate(), kind)?;
            let endpoint = self.endpoint(kind)?;
            let token_request = request_error(endpoint.client.exchange(request), kind)?;
            let response = self.send_bound(&endpoint, token_request)?;
            self.0.flows.store_nonce(&endpoint, &response);
            Ok(response)
        };
        self.observed(Flow::ExchangeProfile, exchange, || true)
    }

    /// Exchanges an access token of this API for a token of a downstream API, on behalf of the same user
    /// (RFC 8693). Verify the access token first.
    ///
    /// The access token is sent to the token endpoint of `domain`. It must be of that issuer, or of one in
    /// [`same_tenant`](crate::Builder::same_tenant).
    ///
    /// With [`obo_cache`](crate::Builder::obo_cache), a token from an earlier call with the same access
    /// token, audience and scope is returned while both tokens are valid.
    ///
    /// ```no_run
    /// use auth0_api::{ApiClient, OnBehalfOf};
    ///
    /// let client = ApiClient::builder().from_env().build()?;
    /// # let bearer = "eyJ...";
    /// client.verify_access_token(bearer)?;
    /// let request = OnBehalfOf::new(bearer, "https://downstream.example/").scope("read:things");
    /// let token = client.get_token_on_behalf_of(&request)?;
    /// println!("expires at {} (seconds since 1970)", token.expires_at());
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`get_token_by_exchange_profile`](ApiClient::get_token_by_exchange_profile). If
    /// `obo_cache` is on and another call makes the same exchange, also `Api` with the code
    /// `timeout_error` if that exchange takes longer than [`max_wait`](crate::Builder::max_wait), and
    /// `network_error` if two such exchanges in a row panic.
    pub fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error> {
        let is_own = AtomicBool::new(false);
        self.observed(
            Flow::OnBehalfOf,
            || self.on_behalf_of(request, &is_own),
            || is_own.load(Ordering::Relaxed),
        )
    }

    /// Sets `is_own` if this call makes the exchange itself.
    fn on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
        is_own: &AtomicBool,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetTokenByExchangeProfile;
        request_error(request.validate(), kind)?;
        self.0.flows.check_issuer(request.access_token(), kind)?;
        let exchange = || {
            is_own.store(true, Ordering::Relaxed);
            let endpoint = self.endpoint(kind)?;
            let token_request = request_error(endpoint.client.on_behalf_of(request), kind)?;
            let token = self.send_bound(&endpoint, token_request)?;
            self.0.flows.store_nonce(&endpoint, &token);
            Ok(token)
        };
        let verifier = &self.0.verifier;
        let now = verifier.clock.now();
        match self
            .0
            .flows
            .obo_entry(request, verifier.max_token_size, now, kind)?
        {
            Some(entry) => entry.cache.get(&entry.key, entry.is_usable(), exchange),
            None => exchange(),
        }
    }

    /// Gets the user's access token for an external provider from Auth0's Token Vault.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` or `GetAccessTokenForConnection` if the request or the configuration is
    /// at fault; `Api` if the token endpoint refuses, fails or cannot be reached.
    pub fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetAccessTokenForConnection;
        let exchange = || {
            request_error(request.validate(), kind)?;
            self.0.flows.check_issuer(request.access_token(), kind)?;
            let endpoint = self.endpoint(kind)?;
            let token_request = request_error(endpoint.client.connection_token(request), kind)?;
            // An external provider's token cannot be bound to a key of this client.
            self.send(token_request.start(self.0.verifier.clock.system_time()))
        };
        self.observed(Flow::Connection, exchange, || true)
    }

    fn observed<T>(
        &self,
        flow: Flow,
        exchange: impl FnOnce() -> Result<T, Error>,
        is_own: impl FnOnce() -> bool,
    ) -> Result<T, Error> {
        let telemetry = &self.0.verifier.telemetry;
        telemetry.exchange(flow, self.0.flows.issuer_host(), exchange, is_own)
    }

    /// Gets the access token for an external provider of a user who is not present, as a privileged worker of
    /// Auth0's Token Vault. The tenant must allow it to this client.
    ///
    /// The subject token is sent to the token endpoint of `domain`. It must be a JWT whose only audience is the
    /// issuer of `domain`, or of a domain in [`same_tenant`](crate::Builder::same_tenant).
    ///
    /// # Errors
    ///
    /// As [`get_access_token_for_connection`](ApiClient::get_access_token_for_connection).
    pub fn get_access_token_for_connection_as_worker(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetAccessTokenForConnection;
        let exchange = || {
            request_error(request.validate(), kind)?;
            self.0.flows.check_audience(request.subject_token(), kind)?;
            let endpoint = self.endpoint(kind)?;
            let token_request = request_error(endpoint.client.worker_token(request), kind)?;
            self.send(token_request.start(self.0.verifier.clock.system_time()))
        };
        self.observed(Flow::Connection, exchange, || true)
    }

    fn endpoint(&self, kind: IntoErrorKind) -> Result<Endpoint, Error> {
        let flows = &self.0.flows;
        let issuer = flows.issuer(kind)?;
        let now = self.0.verifier.clock.now();
        let url = self.0.keys.token_endpoint(issuer, now);
        flows.endpoint(url, kind)
    }

    /// Sends a request whose token is to be bound to the key of this client, if it has one.
    fn send_bound<T>(&self, endpoint: &Endpoint, request: TokenRequest<T>) -> Result<T, Error> {
        let now = self.0.verifier.clock.system_time();
        self.send(self.0.flows.start_bound(endpoint, request, now))
    }

    fn send<T>(&self, step: Result<Step<Pending<T>>, ExchangeError>) -> Result<T, Error> {
        api_error(step.and_then(|step| a0_http::drive(&*self.0.http_client, step)))
    }
}
