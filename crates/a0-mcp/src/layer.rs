//! The layer and its options.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use a0_tower::{Auth, AuthService, MetadataService};
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Error, Policy, ProtectedResourceMetadata};
use tower_layer::Layer;

use crate::operations::Operations;
use crate::origin::Origin;
use crate::service::{GateService, McpService};
use crate::session::Binding;
use crate::settings::Settings;

/// The largest body that is read, in octets; that of `rmcp`.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// The time for a whole body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Protects an MCP server: a tower layer around the service of `rmcp`, or around any other server of the
/// Streamable HTTP transport.
///
/// - A request without acceptable credentials is 401. The challenge names the metadata of the server (RFC 9728)
///   and the scopes of [`require`](Self::require). Its body is not read.
/// - A token without the scopes of the operation is 403 `insufficient_scope`, with all scopes that the operation
///   needs. [`scope_implies`](auth0_api::Builder::scope_implies) applies.
/// - A page of an origin that is not allowed is 403, whatever its credentials.
/// - Tools read the token with [`Caller`](crate::Caller).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use a0_mcp::McpAuth;
/// use auth0_api::{Policy, ProtectedResource, asynchronous::ApiClient};
///
/// let client = ApiClient::builder()
///     .domain("tenant.eu.auth0.com")
///     .audience("https://api.example/mcp")
///     .protected_resource(ProtectedResource::new("https://api.example/mcp"))
///     .build_async()?;
/// let auth = McpAuth::new(client)?
///     .require(Policy::scope("mcp:use"))
///     .tool("refund", Policy::scope("orders:write"))
///     .other_tools(Policy::verified());
/// # let _ = auth;
/// # Ok(())
/// # }
/// ```
///
/// # Policies of operations
///
/// With a policy for a tool or a method, the body of each `POST` is read, after the token is verified, and the
/// body decides: `Mcp-Method` and `Mcp-Name` must agree with it. It is handed on unchanged. Without such a
/// policy, and without [`anonymous_discovery`](Self::anonymous_discovery), bodies are streamed.
///
/// | the message | needs, besides [`require`](Self::require) |
/// |---|---|
/// | `tools/call` | the policy of `tools/call`, and that of the tool, else that of [`other_tools`](Self::other_tools), else all policies |
/// | a method with a policy | that policy |
/// | a further method of MCP, or an answer to the server | nothing |
/// | `tasks/...`, and any other method | all policies |
/// | a batch | what its members need together |
///
/// A body that is not one JSON-RPC message, or a batch of them, is refused: 400 with a JSON-RPC error. So are
/// names that occur twice in an object, and `params` that are neither an object nor null. A media type other than
/// `application/json` and any `Content-Encoding` are 415.
///
/// # Streams
///
/// A stream of events ends when the token of its request expires: at `exp` plus the
/// [`leeway`](auth0_api::Builder::leeway) of the client. Nothing that comes later is sent on it, and clients connect
/// again with a new token. An answer that is no stream is sent whole.
///
/// `rmcp` answers each `POST` with a stream, unless its configuration has `json_response`. The status of a call
/// that is not done when its token expires is therefore 200. If the layer read the body, and it is one request, the
/// last event is a JSON-RPC error with its identifier. Not so for `subscriptions/listen`, identifiers of more than
/// 128 octets, and sessions that [resume streams](Self::resume_streams); their streams end without a result.
///
/// From revision 2026-07-28 on, the response begins with the first message of a call, such as its progress. If the
/// stream ends after that, `rmcp` without a store of events cancels the `ct` of the call's `RequestContext`. A call
/// that has sent nothing runs to its end, and so does a handler that does not watch `ct`, and any call in a session
/// of an older revision. Its result is not sent on that stream. A client may repeat such a call: give the client of the
/// layer a leeway that is longer than calls take, or make tools idempotent.
///
/// # Sessions
///
/// Revisions before 2026-07-28 have sessions. The layer binds the identifier of each to the issuer, the subject,
/// the organization and the client of the token that opened it; to others it is 404. Behind a load balancer, give
/// all instances one [`session_key`](Self::session_key).
#[derive(Clone)]
pub struct McpAuth {
    auth: Auth,
    metadata: ProtectedResourceMetadata,
    settings: Arc<Settings>,
}

/// Why a server cannot be protected as it is configured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum McpConfigError {
    /// The client has no protected resource metadata, without which MCP clients cannot log in.
    #[error("set protected_resource in the options of the client: MCP clients need it (RFC 9728)")]
    NoProtectedResource,
    /// There is no randomness for the key of sessions.
    #[error("there is no randomness for the key that binds sessions")]
    NoRandomness,
    /// A policy cannot be used, as [`Policy::validate`] says.
    #[error(transparent)]
    Policy(Error),
    /// A policy is for a method that MCP spells in another way, so it would never apply.
    #[error("a policy is for the method {method:?}, which MCP spells {meant:?}")]
    MisspeltMethod {
        /// The method of the policy.
        method: String,
        /// The method of MCP.
        meant: &'static str,
    },
}

impl McpAuth {
    /// Creates a layer that needs a verified token for every request, and nothing more.
    ///
    /// # Errors
    ///
    /// [`McpConfigError`] if the client has no
    /// [`protected_resource`](auth0_api::Builder::protected_resource).
    pub fn new(client: ApiClient) -> Result<Self, McpConfigError> {
        let metadata = client.protected_resource_metadata();
        let metadata = metadata.ok_or(McpConfigError::NoProtectedResource)?.clone();
        let settings = Settings {
            operations: Operations::default(),
            origins: Origin::parse(metadata.origin()).into_iter().collect(),
            max_body: MAX_BODY,
            body_timeout: BODY_TIMEOUT,
            binding: Binding::random().ok_or(McpConfigError::NoRandomness)?,
            resumes_streams: false,
        };
        Ok(McpAuth {
            auth: Auth::new(client),
            metadata,
            settings: Arc::new(settings),
        })
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    fn operations(&mut self) -> &mut Operations {
        &mut self.settings().operations
    }

    /// Requires that every token satisfies this policy; several calls require all of them. A client without a
    /// token is told to ask for its scopes.
    #[must_use]
    pub fn require(mut self, policy: Policy) -> Self {
        let operations = self.operations();
        let base = operations.base.take();
        let base = base.map_or_else(
            || policy.clone(),
            |base| Policy::all([base, policy.clone()]),
        );
        operations.base = Some(base.clone());
        self.auth = self.auth.challenge_scopes(base.scopes());
        self
    }

    /// The policy for calls of this tool. A later call for the same tool replaces it.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, policy: Policy) -> Self {
        self.operations().tools.insert(name.into(), policy);
        self
    }

    /// The policy for calls of tools that have none of their own. Without it they need all policies of the
    /// server, so that a tool that somebody adds later is not open by mistake.
    /// [`Policy::verified`] asks for nothing more than the base.
    #[must_use]
    pub fn other_tools(mut self, policy: Policy) -> Self {
        self.operations().other_tools = Some(policy);
        self
    }

    /// The policy for messages of this method, such as `resources/read`, or one of your own. A later call for the
    /// same method replaces it. It holds for exactly this method: one for `resources/read` says nothing about
    /// `resources/subscribe`.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>, policy: Policy) -> Self {
        self.operations().methods.insert(method.into(), policy);
        self
    }

    /// Lets strangers learn what the server has before their users log in: `initialize`, `server/discover`,
    /// `ping`, and the lists of tools, resources and prompts; those with a [`method`](Self::method) policy not.
    ///
    /// Bodies of strangers are then read, within the limits. Everything else is 401, and so are credentials that
    /// are present and bad. Tools still take a [`Caller`](crate::Caller); list handlers use
    /// [`Caller::optional`](crate::Caller::optional).
    ///
    /// Strangers can open sessions of older revisions with it, each of which `rmcp` keeps for some minutes:
    /// limit their rate in front of the server, or turn such sessions off in `rmcp`'s configuration. A client
    /// that opened a session before its login gets 404 for it afterwards, and must open another one.
    #[must_use]
    pub fn anonymous_discovery(mut self) -> Self {
        self.operations().anonymous_discovery = true;
        self.auth = self.auth.optional();
        self
    }

    /// Pages of these origins may call the server, besides those of its own: `https://app.example`, or
    /// `http://localhost:6274`. A text that is no origin is left out. Browsers also need CORS: see
    /// [`CORS_REQUEST_HEADERS`](crate::CORS_REQUEST_HEADERS).
    #[must_use]
    pub fn allowed_origins<'a>(mut self, origins: impl IntoIterator<Item = &'a str>) -> Self {
        let origins = origins.into_iter().filter_map(Origin::parse);
        self.settings().origins.extend(origins);
        self
    }

    /// The largest body that the layer reads, in octets; 4 MiB by default, and less than 4 GiB.
    #[must_use]
    pub fn max_body_size(mut self, octets: usize) -> Self {
        self.settings().max_body = octets.min(u32::MAX as usize);
        self
    }

    /// The time for a whole body to arrive; 10 seconds by default.
    #[must_use]
    pub fn body_timeout(mut self, time: Duration) -> Self {
        self.settings().body_timeout = time;
        self
    }

    /// The secret that binds sessions to their owners, for several instances that share a store of sessions. By
    /// default it is random in each process.
    #[must_use]
    pub fn session_key(mut self, key: [u8; 32]) -> Self {
        self.settings().binding = Binding::new(key);
        self
    }

    /// Hands on the `Last-Event-ID` of a request in a session of its own, so that clients of revisions before
    /// 2026-07-28 can resume a stream. By default the layer drops it.
    ///
    /// Call this only if the session manager resumes streams within the session alone, such as `rmcp`'s
    /// `LocalSessionManager` without a store of events. With a store, `rmcp` replays the stream of any user to
    /// whoever sends the identifier of one of its events, and such identifiers can often be guessed.
    #[must_use]
    pub fn resume_streams(mut self) -> Self {
        self.settings().resumes_streams = true;
        self
    }

    /// Changes how requests are verified: behind a proxy with [`Auth::behind`], for one. The layer must stay one
    /// for the same client.
    #[must_use]
    pub fn with_auth(mut self, change: impl FnOnce(Auth) -> Auth) -> Self {
        self.auth = change(self.auth);
        self
    }

    /// Checks the policies. Call it when the server starts.
    ///
    /// # Errors
    ///
    /// [`McpConfigError::Policy`] and [`McpConfigError::MisspeltMethod`]. Methods of MCP are compared by their
    /// letters and digits, in upper or lower case: `Tools/Call`, `tools_call` and `tools.call` are misspelt.
    pub fn validate(&self) -> Result<(), McpConfigError> {
        let operations = &self.settings.operations;
        let mut all = operations.base.iter().chain(operations.all());
        all.try_for_each(Policy::validate)
            .map_err(McpConfigError::Policy)?;
        match operations.misspelt() {
            None => Ok(()),
            Some((method, meant)) => Err(McpConfigError::MisspeltMethod {
                method: method.to_owned(),
                meant,
            }),
        }
    }

    /// The metadata of the server, as a service for its well-known path. It belongs outside of this layer.
    pub fn metadata(&self) -> MetadataService {
        MetadataService::new(&self.metadata)
    }

    pub(crate) fn protected_resource(&self) -> &ProtectedResourceMetadata {
        &self.metadata
    }

    pub(crate) fn checks(&self) -> &Settings {
        &self.settings
    }
}

impl<S> Layer<S> for McpAuth {
    type Service = McpService<AuthService<GateService<S>>>;

    fn layer(&self, inner: S) -> Self::Service {
        let gate = GateService::new(inner, Arc::clone(&self.settings));
        McpService::new(self.auth.layer(gate), Arc::clone(&self.settings))
    }
}

impl fmt::Debug for McpAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("McpAuth")
            .field("auth", &self.auth)
            .field("settings", &self.settings)
            .finish()
    }
}
