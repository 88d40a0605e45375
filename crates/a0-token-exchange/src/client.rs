//! The client of a token endpoint.

use std::fmt;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::response::{IssuedToken, RequestKind, ResponseBody, TokenResponse};
use crate::{
    ClientAuth, ClientInfo, ConnectionToken, OnBehalfOf, RequestError, TokenExchange, TokenRequest,
    WorkerToken,
};

/// A client of one token endpoint. Clones are cheap.
///
/// `Debug` shows the endpoint and the client's identifier.
#[derive(Clone)]
pub struct TokenClient {
    endpoint: Arc<Endpoint>,
}

impl TokenClient {
    /// Creates a client of the endpoint at this URL. Requests send the credentials there, so the
    /// caller must make sure that it belongs to the right server. Clients of several endpoints can
    /// share credentials through an `Arc`.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::Endpoint`] if the URL is not absolute and https, or has a user name,
    /// a password or a fragment (RFC 6749 section 3.2).
    pub fn new(
        token_endpoint: &str,
        auth: impl Into<Arc<ClientAuth>>,
    ) -> Result<Self, RequestError> {
        let endpoint = Arc::new(Endpoint::new(token_endpoint, auth.into())?);
        Ok(TokenClient { endpoint })
    }

    /// Names the client's software in every request, in the header `Auth0-Client`. Without this,
    /// nothing is sent.
    #[must_use]
    pub fn with_client_info(mut self, info: ClientInfo) -> Self {
        Arc::make_mut(&mut self.endpoint).client_info = Some(info);
        self
    }

    /// Exchanges a token (RFC 8693). The type of the subject token selects Auth0's Token Exchange
    /// Profile.
    ///
    /// # Errors
    ///
    /// Returns a [`RequestError`] if the request's parameters are invalid.
    pub fn exchange(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenRequest<TokenResponse>, RequestError> {
        let endpoint = Arc::clone(&self.endpoint);
        let (kind, form) = (RequestKind::TokenExchange, request.form()?);
        Ok(TokenRequest::new(endpoint, kind, form, TokenResponse::read))
    }

    /// Exchanges an access token for one of a downstream API.
    ///
    /// # Errors
    ///
    /// Returns a [`RequestError`] if the request's parameters are invalid. It calls the access
    /// token `subject_token`.
    pub fn on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
    ) -> Result<TokenRequest<IssuedToken>, RequestError> {
        let endpoint = Arc::clone(&self.endpoint);
        let (kind, form) = (RequestKind::TokenExchange, request.form()?);
        let read = |_: &ResponseBody<'_>, token| Ok(token);
        Ok(TokenRequest::new(endpoint, kind, form, read))
    }

    /// Gets a user's access token of an external provider. [`IssuedToken::scope`] of the result is
    /// never `None`.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::MissingArgument`] if a parameter is empty.
    pub fn connection_token(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<TokenRequest<IssuedToken>, RequestError> {
        let endpoint = Arc::clone(&self.endpoint);
        let (kind, form) = (RequestKind::ConnectionToken, request.form()?);
        let read = |_: &ResponseBody<'_>, token: IssuedToken| Ok(token.with_scope());
        Ok(TokenRequest::new(endpoint, kind, form, read))
    }

    /// Gets an external provider's access token of a user who is not present, as a privileged worker.
    /// [`IssuedToken::scope`] of the result is never `None`.
    ///
    /// # Errors
    ///
    /// Returns a [`RequestError`] if a parameter is empty, or if the subject token is not a bare token.
    pub fn worker_token(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<TokenRequest<IssuedToken>, RequestError> {
        let endpoint = Arc::clone(&self.endpoint);
        let (kind, form) = (RequestKind::ConnectionToken, request.form()?);
        let read = |_: &ResponseBody<'_>, token: IssuedToken| Ok(token.with_scope());
        Ok(TokenRequest::new(endpoint, kind, form, read))
    }
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenClient")
            .field("token_endpoint", &self.endpoint.url)
            .field("auth", &self.endpoint.auth)
            .finish()
    }
}
