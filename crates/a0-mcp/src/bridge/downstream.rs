//! Calls of other APIs on behalf of the caller.

use std::fmt;

use auth0_api::asynchronous::ApiClient;
use auth0_api::{Error, IssuedToken, OnBehalfOf};

use super::caller::Caller;
use super::error::ToolError;

/// An API that tools call on behalf of the caller. Its audience and scope are fixed when the server starts, so no
/// argument of a tool can choose them.
///
/// The token of the caller never goes to that API: [`token_for`](Self::token_for) exchanges it for another one
/// (RFC 8693). Build the client with
/// [`keep_access_tokens`](auth0_api::Builder::keep_access_tokens), with credentials, and with
/// [`obo_cache`](auth0_api::Builder::obo_cache), so that calls of one user share an exchange.
///
/// ```
/// use a0_mcp::{Caller, Downstream};
/// use rmcp::ErrorData;
///
/// async fn balance(caller: Caller, ledger: &Downstream) -> Result<String, ErrorData> {
///     let token = ledger.token_for(&caller).await?;
///     Ok(format!("send Authorization: Bearer with {} octets", token.access_token().len()))
/// }
/// ```
#[derive(Clone)]
pub struct Downstream {
    client: ApiClient,
    audience: String,
    scope: Option<String>,
}

impl Downstream {
    /// An API by its audience.
    pub fn new(client: ApiClient, audience: impl Into<String>) -> Self {
        Downstream {
            client,
            audience: audience.into(),
            scope: None,
        }
    }

    /// The scopes to ask for, separated by spaces; those that the tenant grants by default otherwise.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Gets a token for the API on behalf of the caller, or one that is cached.
    ///
    /// # Errors
    ///
    /// The errors of [`get_token_on_behalf_of`](ApiClient::get_token_on_behalf_of); 500 if the client does not keep
    /// access tokens. The client of the tool is not told which.
    pub async fn token_for(&self, caller: &Caller) -> Result<IssuedToken, ToolError> {
        // Without the token, the exchange is refused before anything is sent.
        let subject = caller.access_token().unwrap_or_default();
        let mut request = OnBehalfOf::new(subject, &self.audience);
        if let Some(scope) = &self.scope {
            request = request.scope(scope);
        }
        let token: Result<IssuedToken, Error> = self.client.get_token_on_behalf_of(&request).await;
        Ok(token?)
    }
}

impl fmt::Debug for Downstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Downstream")
            .field("audience", &self.audience)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
