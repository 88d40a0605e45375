//! The token of a request, for handlers.

use std::ops::Deref;

use a0_tower::{Refusal, Verified};
use auth0_api::{Policy, VerifiedToken};
use http::request::Parts;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use super::error::ToolError;

/// The verified token of the request that a handler answers. A parameter of tools and prompts; the methods of
/// [`VerifiedToken`] can be called on it.
///
/// In a session, it is the token of this request, and not that of the request that opened the session.
///
/// ```
/// use a0_mcp::{Caller, ToolError};
/// use rmcp::{ErrorData, tool, tool_router};
///
/// #[derive(Clone)]
/// struct Tools;
///
/// #[tool_router]
/// impl Tools {
///     #[tool(description = "Says who calls")]
///     async fn whoami(&self, caller: Caller) -> Result<String, ErrorData> {
///         let subject = caller.subject().map_err(ToolError::from)?;
///         Ok(subject.unwrap_or_default().to_owned())
///     }
/// }
/// # let _ = Tools;
/// ```
#[derive(Debug, Clone)]
pub struct Caller(Verified);

impl Caller {
    /// Reads the token from the context of a request, in handlers that are no tools or prompts.
    ///
    /// # Errors
    ///
    /// A JSON-RPC error if the request came without a token, or not through [`McpAuth`](crate::McpAuth).
    pub fn of(context: &RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        let verified = Verified::from_extensions(&parts(context)?.extensions);
        verified.map(Caller).map_err(refused)
    }

    /// As [`of`](Self::of), but `None` for a request without a token that
    /// [`anonymous_discovery`](crate::McpAuth::anonymous_discovery) let pass.
    ///
    /// # Errors
    ///
    /// A JSON-RPC error if the request did not come through [`McpAuth`](crate::McpAuth).
    pub fn optional(context: &RequestContext<RoleServer>) -> Result<Option<Self>, ErrorData> {
        let verified = Verified::optional_from_extensions(&parts(context)?.extensions);
        Ok(verified.map_err(refused)?.map(Caller))
    }

    /// Requires a further policy within a tool: one that depends on its arguments. It is a JSON-RPC error then,
    /// because the response has begun; a policy of [`McpAuth`](crate::McpAuth) is answered 403, and clients ask
    /// for the scopes.
    ///
    /// # Errors
    ///
    /// The error of [`VerifiedToken::authorize`].
    pub fn require(&self, policy: &Policy) -> Result<(), ToolError> {
        Ok(self.0.token().authorize(policy)?)
    }

    /// The token with what `a0-tower` knows about it.
    pub fn verified(&self) -> &Verified {
        &self.0
    }
}

fn parts(context: &RequestContext<RoleServer>) -> Result<&Parts, ErrorData> {
    let parts = context.extensions.get::<Parts>();
    parts.ok_or_else(|| ErrorData::internal_error("the request did not come over HTTP", None))
}

fn refused(refusal: Refusal) -> ErrorData {
    match refusal.error() {
        Some(error) => ToolError::from(error.clone()).into(),
        None => ErrorData::internal_error("the server does not verify tokens", None),
    }
}

impl Deref for Caller {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        self.0.token()
    }
}

impl<C: AsRequestContext> FromContextPart<C> for Caller {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        Caller::of(context.as_request_context())
    }
}
