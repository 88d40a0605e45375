//! Client flows: tokens of the token endpoint, for APIs that call others.

use std::sync::Arc;

use a0_discovery::{Issuer, TokenEndpointError};
use a0_jose::{NumericDate, unverified_payload};
use a0_token_exchange::{
    Call, ClientAuth, ConnectionToken, IssuedToken, OnBehalfOf, RequestError, TokenClient,
    TokenExchange, TokenResponse,
};

use crate::api_error::{ApiError, ClientFlowError};
use crate::client::ApiClient;
use crate::client_flows::{Proofs, obo_key};
use crate::error::{Error, ErrorKind};

/// Which of the flows' own errors stands for a refused request.
type Refuse = fn(ClientFlowError) -> ErrorKind;

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
        judged(request.judge(), refuse)?;
        let endpoint = self.endpoint(refuse)?;
        let call = endpoint.client.exchange(request);
        let proofs = self.0.flows.proofs.as_ref();
        let response = self.carry_out(&endpoint, judged(call, refuse)?, proofs)?;
        self.remember_nonce(&endpoint, &response);
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
    /// As [`get_token_by_exchange_profile`](ApiClient::get_token_by_exchange_profile).
    pub fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error> {
        let refuse = ErrorKind::GetTokenByExchangeProfile;
        judged(request.judge(), refuse)?;
        let (issuer, _) = self.credentials(refuse)?;
        let exchange = || {
            let endpoint = self.endpoint(refuse)?;
            let call = endpoint.client.on_behalf_of(request);
            let proofs = self.0.flows.proofs.as_ref();
            let token = self.carry_out(&endpoint, judged(call, refuse)?, proofs)?;
            self.remember_nonce(&endpoint, &token);
            Ok(token)
        };
        match (&self.0.flows.obo_cache, self.expiry(request.access_token())) {
            (Some(cache), Some(expires_at)) => {
                cache.get(&obo_key(issuer, request), expires_at, self.now(), exchange)
            }
            _ => exchange(),
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
        judged(request.judge(), refuse)?;
        let endpoint = self.endpoint(refuse)?;
        let call = endpoint.client.connection_token(request);
        // Tokens of other providers are not bound to a key of this client.
        self.carry_out(&endpoint, judged(call, refuse)?, None)
    }

    fn credentials(&self, refuse: Refuse) -> Result<&(Issuer, Arc<ClientAuth>), Error> {
        let credentials = self.0.flows.credentials.as_ref();
        credentials.ok_or_else(|| Error::of_client_flow(refuse(ClientFlowError::NoCredentials)))
    }

    fn endpoint(&self, refuse: Refuse) -> Result<Endpoint, Error> {
        let (issuer, auth) = self.credentials(refuse)?;
        let url = self.0.keys.token_endpoint(issuer, self.now());
        let url = url.map_err(|error| {
            Error::of_client_flow(match error {
                TokenEndpointError::Unavailable(error) => {
                    ErrorKind::Api(ApiError::Discovery(error))
                }
                error => refuse(ClientFlowError::Endpoint(error)),
            })
        })?;
        let client = judged(TokenClient::new(&url, Arc::clone(auth)), refuse)?;
        Ok(Endpoint { url, client })
    }

    fn carry_out<T>(
        &self,
        endpoint: &Endpoint,
        call: Call<T>,
        proofs: Option<&Proofs>,
    ) -> Result<T, Error> {
        let call = match proofs {
            Some(proofs) => proofs.add(call, &endpoint.url),
            None => call,
        };
        let outcome = call
            .start((self.0.judge.clock)())
            .and_then(|step| a0_http::drive(&*self.0.http_client, step));
        outcome.map_err(|error| Error::of_client_flow(ErrorKind::Api(ApiError::Exchange(error))))
    }

    fn remember_nonce(&self, endpoint: &Endpoint, token: &IssuedToken) {
        if let Some(proofs) = &self.0.flows.proofs {
            proofs.remember(&endpoint.url, token.dpop_nonce());
        }
    }

    /// When a token says that it expires; nobody vouches for it here.
    fn expiry(&self, token: &str) -> Option<NumericDate> {
        let claims = unverified_payload(token, self.0.judge.max_token_size).ok()?;
        NumericDate::from_json(claims.get("exp")?)
    }
}

/// A token endpoint, and this client at it.
struct Endpoint {
    url: String,
    client: TokenClient,
}

fn judged<T>(outcome: Result<T, RequestError>, refuse: Refuse) -> Result<T, Error> {
    outcome.map_err(|error| {
        Error::of_client_flow(match error {
            RequestError::MissingArgument(argument) => {
                ErrorKind::MissingRequiredArgument { argument }
            }
            error => refuse(ClientFlowError::Request(error)),
        })
    })
}
