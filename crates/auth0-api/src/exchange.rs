//! Client flows: tokens of the token endpoint, for APIs that call others.

use a0_http::Step;
use a0_token_exchange::{
    ConnectionToken, ExchangeError, IssuedToken, OnBehalfOf, Pending, TokenExchange, TokenResponse,
};

use crate::client::ApiClient;
use crate::client_flows::{Endpoint, Refuse, ended, judged};
use crate::error::{Error, ErrorKind};

impl ApiClient {
    /// Exchanges a token for one of Auth0, by the profile that its type selects (RFC 8693).
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` and `GetTokenByExchangeProfile` for what is wrong with the request or
    /// the configuration; `Api` for everything that the token endpoint or the way to it is to blame
    /// for.
    pub fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error> {
        let refuse = ErrorKind::GetTokenByExchangeProfile;
        judged(request.validate(), refuse)?;
        let endpoint = self.endpoint(refuse)?;
        let call = judged(endpoint.client.exchange(request), refuse)?;
        let flows = &self.0.flows;
        let response = self.carry_out(flows.start_bound(&endpoint, call, self.time()))?;
        flows.remember_nonce(&endpoint, &response);
        Ok(response)
    }

    /// Exchanges an access token of this API for one of an API downstream, on behalf of the same user
    /// (RFC 8693). Verify the token first. It goes to the token endpoint of `domain`, whichever issuer
    /// it is of: with domains of several tenants, look at its issuer before.
    ///
    /// With [`obo_cache`](crate::Builder::obo_cache) an earlier token for the same access token,
    /// audience and scope is given while it and the access token last.
    ///
    /// ```no_run
    /// use auth0_api::{ApiClient, OnBehalfOf};
    ///
    /// let client = ApiClient::builder().from_env().build()?;
    /// # let bearer = "eyJ...";
    /// client.verify_access_token(bearer)?;
    /// let request = OnBehalfOf::new(bearer, "https://downstream.example/").scope("read:things");
    /// let token = client.get_token_on_behalf_of(&request)?;
    /// println!("good until {} (seconds since 1970)", token.expires_at());
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_token_by_exchange_profile`](ApiClient::get_token_by_exchange_profile). With `obo_cache`
    /// also an `Api` error where another caller makes the same exchange: a `timeout_error` if it takes
    /// longer than [`max_wait`](crate::Builder::max_wait), a `network_error` if it panics twice in a row.
    pub fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error> {
        let refuse = ErrorKind::GetTokenByExchangeProfile;
        judged(request.validate(), refuse)?;
        let flows = &self.0.flows;
        let exchange = || {
            let endpoint = self.endpoint(refuse)?;
            let call = judged(endpoint.client.on_behalf_of(request), refuse)?;
            let token = self.carry_out(flows.start_bound(&endpoint, call, self.time()))?;
            flows.remember_nonce(&endpoint, &token);
            Ok(token)
        };
        match flows.kept(request, self.0.verifier.max_token_size, self.now(), refuse)? {
            Some(kept) => kept.cache.get(&kept.key, kept.is_good(), exchange),
            None => exchange(),
        }
    }

    /// Gets a user's access token of an external provider, which Auth0 keeps in its Token Vault.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` and `GetAccessTokenForConnection` for what is wrong with the request
    /// or the configuration; `Api` as in the other flows.
    pub fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error> {
        let refuse = ErrorKind::GetAccessTokenForConnection;
        judged(request.validate(), refuse)?;
        let endpoint = self.endpoint(refuse)?;
        let call = judged(endpoint.client.connection_token(request), refuse)?;
        // Tokens of other providers are not bound to a key of this client.
        self.carry_out(call.start(self.time()))
    }

    fn endpoint(&self, refuse: Refuse) -> Result<Endpoint, Error> {
        let flows = &self.0.flows;
        let issuer = flows.issuer(refuse)?;
        let url = self.0.keys.token_endpoint(issuer, self.now());
        flows.endpoint(url, refuse)
    }

    fn carry_out<T>(&self, step: Result<Step<Pending<T>>, ExchangeError>) -> Result<T, Error> {
        ended(step.and_then(|step| a0_http::drive(&*self.0.http_client, step)))
    }
}
