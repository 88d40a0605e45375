//! An MCP server, an API behind it, and their tenant in one process on loopback. MCP clients can log in to it:
//! `cargo run -p a0-mcp --example mcp_server -- --help`.
use std::sync::Arc;

use a0_mcp::{Caller, Downstream, McpAuth, ToolError};
use a0_testkit::{Api, LocalTenant, Login, TenantServer, User};
use a0_tower::{Auth, Refusal, Verified};
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Builder, Policy, ProtectedResource};
use axum::{Router, body::Body, routing::get};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};
use tower_service::Service;

#[path = "mcp_server/options.rs"]
mod options;

const LEDGER: &str = "https://ledger.example/";

#[derive(Clone)]
struct Tools {
    ledger: Downstream,
    ledger_api: Router,
}

#[tool_router]
impl Tools {
    #[tool(description = "Says who calls")]
    async fn whoami(&self, caller: Caller) -> Result<String, ErrorData> {
        let subject = caller.subject().map_err(ToolError::from)?;
        Ok(subject.unwrap_or("nobody").to_owned())
    }

    #[tool(description = "Reads the balance of the caller from the ledger")]
    async fn balance(&self, caller: Caller) -> Result<String, ErrorData> {
        let token = self.ledger.token_for(&caller).await?;
        self.call_ledger(token.access_token()).await
    }

    /// The ledger is in this process. Elsewhere this is a request of an HTTP client.
    async fn call_ledger(&self, token: &str) -> Result<String, ErrorData> {
        let failed = |_| ErrorData::internal_error("the ledger does not answer", None);
        let request =
            http::Request::get("/balance").header("authorization", format!("Bearer {token}"));
        let request = request.body(Body::empty()).map_err(|_| failed(()))?;
        let response = self
            .ledger_api
            .clone()
            .call(request)
            .await
            .map_err(|_| failed(()))?;
        let body = axum::body::to_bytes(response.into_body(), 1024)
            .await
            .map_err(|_| failed(()))?;
        String::from_utf8(body.to_vec()).map_err(|_| failed(()))
    }
}

#[tool_handler(name = "mcp_server", version = "0.1.0")]
impl ServerHandler for Tools {}

/// The API that the tool calls. It accepts tokens for its own audience alone.
fn ledger_api(tenant: &LocalTenant) -> Result<Router, auth0_api::Error> {
    let client = local(ApiClient::builder().audience(LEDGER), tenant).build_async()?;
    let balance = async |token: Verified| {
        let subject = token.subject()?.unwrap_or("nobody");
        Ok::<_, Refusal>(format!("12 euros for {subject}"))
    };
    Ok(Router::new()
        .route("/balance", get(balance))
        .route_layer(Auth::new(client)))
}

/// In production: `domain` and nothing else.
fn local(builder: Builder, tenant: &LocalTenant) -> Builder {
    builder.local_tenant(tenant.domain(), tenant.client(), tenant.clock())
}

/// The server is a client of the tenant too: it gets tokens for the ledger.
fn prepare(tenant: &LocalTenant, resource: &str, login: Login) {
    tenant.set_login(login);
    tenant.add_user(User::new("auth0|ada").name("Ada"));
    tenant.add_user(User::new("auth0|grace").name("Grace"));
    tenant.add_api(Api::new(resource).scopes(["mcp:use", "balance:read"]));
    tenant.add_api(Api::new(LEDGER));
    tenant.register_client("mcp-server", "secret");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options::read()? else {
        return Ok(());
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", options.port)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    let resource = format!("{origin}/mcp");
    let server = TenantServer::start_on(options.tenant_port)?;
    let tenant = server.tenant();
    prepare(tenant, &resource, options.login);

    let builder = ApiClient::builder()
        .audience(&resource)
        .public_url(origin)
        .client_id("mcp-server")
        .client_secret("secret")
        .keep_access_tokens()
        .obo_cache(1000)
        .protected_resource(ProtectedResource::new(&*resource).scopes_supported(["mcp:use"]));
    let client = local(builder, tenant).build_async()?;
    let tools = Tools {
        ledger: Downstream::new(client.clone(), LEDGER),
        ledger_api: ledger_api(tenant)?,
    };

    let auth = McpAuth::new(client)?
        .require(Policy::scope("mcp:use"))
        .tool("whoami", Policy::verified())
        .tool("balance", Policy::scope("balance:read"));
    auth.validate()?;
    let sessions = Arc::new(LocalSessionManager::default());
    let service =
        StreamableHttpService::new(move || Ok(tools.clone()), sessions, auth.server_config());
    let app = Router::new()
        .route_service("/mcp", service)
        .route_layer(auth.clone())
        .merge(auth.metadata().router());

    options.announce(&resource, &server)?;
    Ok(axum::serve(listener, app).await?)
}
