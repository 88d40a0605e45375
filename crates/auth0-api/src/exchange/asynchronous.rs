//! The client flows of the async client.

use std::sync::atomic::{AtomicBool, Ordering};

use a0_http::Step;
use a0_token_exchange::{
    ConnectionToken, ExchangeError, IssuedToken, OnBehalfOf, Pending, TokenExchange, TokenRequest,
    TokenResponse, WorkerToken,
};

use crate::client::asynchronous::ApiClient;
use crate::error::{Error, ErrorKind};
use crate::observer::event::Flow;

use super::flows::{Endpoint, IntoErrorKind, api_error, request_error};

impl ApiClient {
    /// See [`crate::ApiClient::get_token_by_exchange_profile`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error> {
        let kind = ErrorKind::GetTokenByExchangeProfile;
        let exchange = async {
            request_error(request.validate(), kind)?;
            let endpoint = self.endpoint(kind).await?;
            let token_request = request_error(endpoint.client.exchange(request), kind)?;
            let response = self.send_bound(&endpoint, token_request).await?;
            self.0.flows.store_nonce(&endpoint, &response);
            Ok(response)
        };
        let observed = self.observed(Flow::ExchangeProfile, exchange, || true);
        observed.await
    }

    /// See [`crate::ApiClient::get_token_on_behalf_of`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_token_on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
    ) -> Result<IssuedToken, Error> {
        let is_own = AtomicBool::new(false);
        let observed = self.observed(
            Flow::OnBehalfOf,
            self.on_behalf_of(request, &is_own),
            || is_own.load(Ordering::Relaxed),
        );
        observed.await
    }

    /// Sets `is_own` if this call makes the exchange itself.
    async fn on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
        is_own: &AtomicBool,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetTokenByExchangeProfile;
        request_error(request.validate(), kind)?;
        self.0.flows.check_issuer(request.access_token(), kind)?;
        let exchange = async {
            is_own.store(true, Ordering::Relaxed);
            let endpoint = self.endpoint(kind).await?;
            let token_request = request_error(endpoint.client.on_behalf_of(request), kind)?;
            let token = self.send_bound(&endpoint, token_request).await?;
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
            Some(entry) => {
                let (timer, is_usable) = (&self.0.timer, entry.is_usable());
                let token = entry
                    .cache
                    .get_async(&entry.key, timer, is_usable, exchange);
                token.await
            }
            None => exchange.await,
        }
    }

    /// See [`crate::ApiClient::get_access_token_for_connection`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetAccessTokenForConnection;
        let exchange = async {
            request_error(request.validate(), kind)?;
            self.0.flows.check_issuer(request.access_token(), kind)?;
            let endpoint = self.endpoint(kind).await?;
            let token_request = request_error(endpoint.client.connection_token(request), kind)?;
            let now = self.0.verifier.clock.system_time();
            self.send(token_request.start(now)).await
        };
        self.observed(Flow::Connection, exchange, || true).await
    }

    async fn observed<T>(
        &self,
        flow: Flow,
        exchange: impl Future<Output = Result<T, Error>>,
        is_own: impl FnOnce() -> bool,
    ) -> Result<T, Error> {
        let telemetry = &self.0.verifier.telemetry;
        let host = self.0.flows.issuer_host();
        telemetry.exchange_async(flow, host, exchange, is_own).await
    }

    /// See [`crate::ApiClient::get_access_token_for_connection_as_worker`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_access_token_for_connection_as_worker(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let kind = ErrorKind::GetAccessTokenForConnection;
        let exchange = async {
            request_error(request.validate(), kind)?;
            self.0.flows.check_audience(request.subject_token(), kind)?;
            let endpoint = self.endpoint(kind).await?;
            let token_request = request_error(endpoint.client.worker_token(request), kind)?;
            let now = self.0.verifier.clock.system_time();
            self.send(token_request.start(now)).await
        };
        self.observed(Flow::Connection, exchange, || true).await
    }

    async fn endpoint(&self, kind: IntoErrorKind) -> Result<Endpoint, Error> {
        let flows = &self.0.flows;
        let issuer = flows.issuer(kind)?;
        let now = self.0.verifier.clock.now();
        let url = self.0.keys.token_endpoint(issuer, now).await;
        flows.endpoint(url, kind)
    }

    /// Sends a request whose token is to be bound to the key of this client, if it has one.
    async fn send_bound<T>(
        &self,
        endpoint: &Endpoint,
        request: TokenRequest<T>,
    ) -> Result<T, Error> {
        let now = self.0.verifier.clock.system_time();
        self.send(self.0.flows.start_bound(endpoint, request, now))
            .await
    }

    async fn send<T>(&self, step: Result<Step<Pending<T>>, ExchangeError>) -> Result<T, Error> {
        api_error(match step {
            Ok(step) => a0_http::drive_async(&*self.0.http_client, step).await,
            Err(error) => Err(error),
        })
    }
}
