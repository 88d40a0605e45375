//! A tenant in memory, an MCP server of `rmcp` behind the layer, and requests to it.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_mcp::{Caller, Downstream, McpAuth};
use a0_testkit::LocalTenant;
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Builder, Policy, ProtectedResource};
use axum::Router;
use axum::body::Body;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CacheScope, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, Prompt, Resource, ResourceTemplate,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};
use tower_service::Service;

pub const RESOURCE: &str = "https://api.example/mcp";
pub const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource/mcp";
pub const LEDGER: &str = "https://ledger.example/";
pub const MODERN: &str = "2026-07-28";
pub const NOW: u64 = 1_700_000_000;

pub fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    tenant.register_client("mcp-server", "secret");
    tenant
}

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub fn builder(tenant: &LocalTenant) -> Builder {
    ApiClient::builder()
        .audience(RESOURCE)
        .client_id("mcp-server")
        .client_secret("secret")
        .keep_access_tokens()
        .obo_cache(16)
        .scope_implies("orders:admin", ["orders:write"])
        .protected_resource(ProtectedResource::new(RESOURCE).scopes_supported(["mcp:use"]))
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
}

pub fn client(tenant: &LocalTenant) -> ApiClient {
    builder(tenant).build_async().unwrap()
}

/// `echo` needs the base alone, `refund` also `orders:write`.
pub fn auth(client: &ApiClient) -> McpAuth {
    McpAuth::new(client.clone())
        .unwrap()
        .require(Policy::scope("mcp:use"))
        .tool("refund", Policy::scope("orders:write"))
        .tool("echo", Policy::verified())
        .tool("ledger", Policy::verified())
}

/// The tools that ran, with their callers.
pub type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone)]
pub struct Tools {
    pub log: Log,
    pub auth: McpAuth,
    pub ledger: Downstream,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
pub struct Echo {
    #[serde(default)]
    text: String,
}

#[tool_router]
impl Tools {
    fn ran(&self, tool: &str, caller: &Caller) -> String {
        let subject = caller.subject().unwrap().unwrap_or_default().to_owned();
        self.log.lock().unwrap().push(tool.to_owned());
        subject
    }

    #[tool(description = "Returns its text")]
    async fn echo(&self, caller: Caller, Parameters(echo): Parameters<Echo>) -> String {
        format!("{}: {}", self.ran("echo", &caller), echo.text)
    }

    #[tool(description = "Refunds an order")]
    async fn refund(&self, caller: Caller) -> String {
        format!("{}: refunded", self.ran("refund", &caller))
    }

    #[tool(description = "A tool without a policy")]
    async fn unlisted(&self, caller: Caller) -> String {
        self.ran("unlisted", &caller)
    }

    #[tool(description = "Calls another API on behalf of the caller")]
    async fn ledger(&self, caller: Caller) -> Result<String, ErrorData> {
        self.ran("ledger", &caller);
        let token = self.ledger.token_for(&caller).await?;
        Ok(token.access_token().to_owned())
    }

    #[tool(description = "Requires more by its argument")]
    async fn echo_strictly(&self, caller: Caller) -> Result<String, ErrorData> {
        caller.require(&Policy::scope("orders:write"))?;
        Ok("ok".to_owned())
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let all = ListToolsResult::with_all_items(Self::tool_router().list_all());
        let all = all.with_cache_scope(CacheScope::Public);
        Ok(match Caller::optional(&context)? {
            Some(caller) => self.auth.visible_tools(&caller, all),
            None => all,
        })
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let all = ListResourcesResult::with_all_items(vec![Resource::new("x://a", "a")]);
        Ok(self.auth.visible_resources(&Caller::of(&context)?, all))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let all = vec![ResourceTemplate::new("x://{a}", "a")];
        let all = ListResourceTemplatesResult::with_all_items(all);
        Ok(self
            .auth
            .visible_resource_templates(&Caller::of(&context)?, all))
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let all = vec![Prompt::new("p", None::<String>, None)];
        let all = ListPromptsResult::with_all_items(all);
        Ok(self.auth.visible_prompts(&Caller::of(&context)?, all))
    }
}

pub struct Server {
    pub app: Router,
    pub log: Log,
}

impl Server {
    pub fn new(client: &ApiClient, auth: McpAuth) -> Self {
        let (service, log) = service(client, &auth);
        let app = Router::new()
            .route_service("/mcp", service)
            .route_layer(auth.clone())
            .merge(auth.metadata().router());
        Server { app, log }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().call(request).await.unwrap();
        Answer::of(response).await
    }

    pub fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

pub fn service(
    client: &ApiClient,
    auth: &McpAuth,
) -> (StreamableHttpService<Tools, LocalSessionManager>, Log) {
    let log = Log::default();
    let tools = Tools {
        log: Arc::clone(&log),
        auth: auth.clone(),
        ledger: Downstream::new(client.clone(), LEDGER),
    };
    let sessions = Arc::new(LocalSessionManager::default());
    let factory = move || Ok(tools.clone());
    (
        StreamableHttpService::new(factory, sessions, auth.server_config()),
        log,
    )
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The JSON-RPC message: the body, or the last event of a stream.
    pub fn json(&self) -> Value {
        let events = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let text = events
            .map(str::trim)
            .rfind(|data| !data.is_empty())
            .unwrap_or(&self.text);
        serde_json::from_str(text).unwrap_or_else(|_| panic!("{}: {:?}", self.status, self.text))
    }

    pub fn challenges(&self) -> Vec<String> {
        let values = self.headers.get_all("www-authenticate").iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    pub fn code(&self) -> Option<i64> {
        let json: Value = serde_json::from_str(&self.text).ok()?;
        json["error"]["code"].as_i64()
    }
}

pub fn token(tenant: &LocalTenant, scope: &str) -> String {
    let token = tenant
        .access_token()
        .audience(RESOURCE)
        .subject("auth0|ada");
    token.scope(scope).mint().unwrap()
}

/// A request with the fields of MCP; later fields are added.
pub fn request(
    method: Method,
    token: Option<&str>,
    fields: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri("/mcp")
        .header("host", "api.example")
        .header("accept", "application/json, text/event-stream");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const VERSION: (&str, &str) = ("mcp-protocol-version", MODERN);

pub fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// The body of a call of the revision 2026-07-28.
pub fn call_body(tool: &str) -> String {
    let params = json!({"name": tool, "arguments": {}, "_meta": meta()});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

pub fn message(method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta()}}).to_string()
}

/// A well-formed call of the revision 2026-07-28.
pub fn call(token: Option<&str>, tool: &str) -> Request<Body> {
    let fields = [
        JSON,
        VERSION,
        ("mcp-method", "tools/call"),
        ("mcp-name", tool),
    ];
    request(Method::POST, token, &fields, call_body(tool))
}

pub fn ask(token: Option<&str>, method: &str) -> Request<Body> {
    request(
        Method::POST,
        token,
        &[JSON, VERSION, ("mcp-method", method)],
        message(method),
    )
}
