//! The server that the scenarios of `@modelcontextprotocol/conformance` ask for, behind the layer: `cargo xtask clients`
//! runs them. With the argument `--open` it stands without the layer, to compare. It prints its URL and a token.
#![allow(
    deprecated,
    reason = "the suite speaks versions that have logging and subscriptions"
)]

use std::future::ready;
use std::sync::Arc;

use a0_mcp::McpAuth;
use a0_testkit::LocalTenant;
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Policy, ProtectedResource};
use axum::Router;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientResult, CustomRequest,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, ListPromptsResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ServerConfig, ServerRequest, SetLevelRequestParams,
    SubscribeRequestParams, UnsubscribeRequestParams,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

type Context = RequestContext<RoleServer>;

/// A PNG of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// A WAV file without samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

#[derive(Clone)]
struct Fixtures;

/// Results are written as JSON, as the suite describes them.
fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("there is no such fixture", None)
}

fn text(text: impl Into<String>) -> Value {
    json!({ "content": [{ "type": "text", "text": text.into() }] })
}

/// `rmcp` sends a notification of a type that it knows on the stream of the request that it belongs to.
async fn notify(peer: &Peer<RoleServer>, method: &str, params: Value) -> Result<(), ErrorData> {
    let notification = typed(json!({ "method": method, "params": params }))?;
    let sent = peer.send_notification(notification);
    sent.await.map_err(|error| failed(&error))
}

async fn ask(peer: &Peer<RoleServer>, method: &str, params: Value) -> Result<String, ErrorData> {
    let request = ServerRequest::CustomRequest(CustomRequest::new(method, Some(params)));
    let answer: ClientResult = peer
        .send_request(request)
        .await
        .map_err(|error| failed(&error))?;
    serde_json::to_string(&answer).map_err(|error| failed(&error))
}

async fn elicit(context: &Context, properties: Value) -> Result<Value, ErrorData> {
    let schema = json!({ "type": "object", "properties": properties, "required": [] });
    let params = json!({ "message": "Please answer", "requestedSchema": schema });
    Ok(text(
        ask(&context.peer, "elicitation/create", params).await?,
    ))
}

fn options(names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| json!({ "const": name, "title": name.to_uppercase() }))
        .collect()
}

async fn call(name: &str, context: &Context) -> Result<Value, ErrorData> {
    let peer = &context.peer;
    let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    let resource = json!({ "type": "resource",
        "resource": { "uri": "test://embedded", "mimeType": "text/plain", "text": "embedded" } });
    Ok(match name {
        "test_simple_text" => text("a text"),
        "test_image_content" => json!({ "content": [image] }),
        "test_audio_content" => {
            json!({ "content": [{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }] })
        }
        "test_embedded_resource" => json!({ "content": [resource] }),
        "test_multiple_content_types" => {
            json!({ "content": [{ "type": "text", "text": "three" }, image, resource] })
        }
        "test_error_handling" => {
            json!({ "isError": true, "content": [{ "type": "text", "text": "an error on purpose" }] })
        }
        "test_tool_with_logging" => {
            for data in ["started", "going on", "completed"] {
                let params = json!({ "level": "info", "data": data });
                notify(peer, "notifications/message", params).await?;
            }
            text("logged")
        }
        "test_tool_with_progress" => {
            let token = context.meta.get_progress_token();
            for progress in [0, 50, 100] {
                let params = json!({ "progressToken": token, "progress": progress, "total": 100 });
                notify(peer, "notifications/progress", params).await?;
            }
            text("done")
        }
        "test_sampling" => {
            let message = json!({ "role": "user", "content": { "type": "text", "text": "Hello" } });
            let params = json!({ "messages": [message], "maxTokens": 100 });
            text(ask(peer, "sampling/createMessage", params).await?)
        }
        "test_elicitation" => elicit(context, json!({ "response": { "type": "string" } })).await?,
        // The defaults are those that the suite compares with.
        "test_elicitation_sep1034_defaults" => {
            let properties = json!({
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
                "verified": { "type": "boolean", "default": true },
            });
            elicit(context, properties).await?
        }
        "test_elicitation_sep1330_enums" => {
            let three = ["option1", "option2", "option3"];
            let values = options(&["value1", "value2", "value3"]);
            let properties = json!({
                "untitledSingle": { "type": "string", "enum": three },
                "titledSingle": { "type": "string", "oneOf": values },
                "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"] },
                "untitledMulti": { "type": "array", "items": { "type": "string", "enum": three } },
                "titledMulti": { "type": "array", "items": { "anyOf": values } },
            });
            elicit(context, properties).await?
        }
        _ => return Err(unknown()),
    })
}

const TOOLS: &[&str] = &[
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_tool_with_progress",
    "test_sampling",
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
];

fn tools() -> Value {
    let tool = |name: &&str| json!({ "name": name, "description": name, "inputSchema": { "type": "object" } });
    let mut tools: Vec<Value> = TOOLS.iter().map(tool).collect();
    let address = json!({ "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } });
    tools.push(json!({
        "name": "json_schema_2020_12_tool",
        "description": "a schema of 2020-12",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": { "address": address },
            "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
            "additionalProperties": false,
        },
    }));
    json!({ "tools": tools })
}

fn prompt(name: &str, arguments: &Value) -> Result<Value, ErrorData> {
    let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let content = match name {
        "test_simple_prompt" => vec![json!({ "type": "text", "text": "a prompt" })],
        "test_prompt_with_arguments" => {
            let both = format!("{} and {}", argument("arg1"), argument("arg2"));
            vec![json!({ "type": "text", "text": both })]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({ "uri": argument("resourceUri"), "mimeType": "text/plain", "text": "embedded" });
            vec![json!({ "type": "resource", "resource": resource })]
        }
        "test_prompt_with_image" => {
            vec![json!({ "type": "image", "data": PNG, "mimeType": "image/png" })]
        }
        _ => return Err(unknown()),
    };
    let message = |content| json!({ "role": "user", "content": content });
    Ok(json!({ "messages": content.into_iter().map(message).collect::<Value>() }))
}

fn prompts() -> Value {
    let named = |name: &str, arguments: &[&str]| {
        let argument = |name: &&str| json!({ "name": name, "description": name, "required": true });
        let arguments: Value = arguments.iter().map(argument).collect();
        json!({ "name": name, "description": name, "arguments": arguments })
    };
    json!({ "prompts": [
        named("test_simple_prompt", &[]),
        named("test_prompt_with_arguments", &["arg1", "arg2"]),
        named("test_prompt_with_embedded_resource", &["resourceUri"]),
        named("test_prompt_with_image", &[]),
    ] })
}

fn resource(uri: &str) -> Result<Value, ErrorData> {
    let content = match uri {
        "test://static-text" => json!({ "uri": uri, "mimeType": "text/plain", "text": "a text" }),
        "test://static-binary" => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        _ => {
            let id = uri
                .strip_prefix("test://template/")
                .and_then(|rest| rest.strip_suffix("/data"));
            let id = id.ok_or_else(unknown)?;
            let text = json!({ "id": id, "templateTest": true, "data": format!("data of {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": text.to_string() })
        }
    };
    Ok(json!({ "contents": [content] }))
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = json!({ "tools": {}, "prompts": {}, "resources": { "subscribe": true },
            "logging": {}, "completions": {} });
        let mut info = ServerConfig::default();
        info.capabilities = serde_json::from_value(capabilities).unwrap_or_default();
        info
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(typed::<CallToolResult>(call(&request.name, &context).await?)?.into())
    }

    fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> impl Future<Output = Result<ListToolsResult, ErrorData>> {
        ready(typed(tools()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        Ok(typed::<GetPromptResult>(prompt(&request.name, &arguments)?)?.into())
    }

    fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> impl Future<Output = Result<ListPromptsResult, ErrorData>> {
        ready(typed(prompts()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(typed::<ReadResourceResult>(resource(&request.uri)?)?.into())
    }

    fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> impl Future<Output = Result<ListResourcesResult, ErrorData>> {
        let text = json!({ "uri": "test://static-text", "name": "text", "mimeType": "text/plain" });
        ready(typed(json!({ "resources": [text] })))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_open = std::env::args().any(|argument| argument == "--open");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let resource = format!("http://{}/mcp", listener.local_addr()?);
    let tenant = LocalTenant::new("local.test")?;
    let client = ApiClient::builder()
        .audience(&resource)
        .protected_resource(ProtectedResource::new(&*resource))
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
        .build_async()?;

    // With policies, the layer reads every body.
    let auth = McpAuth::new(client)?
        .require(Policy::scope("mcp:use"))
        .method("resources/read", Policy::scope("fixtures:read"))
        .other_tools(Policy::scope("fixtures:call"));
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Fixtures), sessions, auth.server_config());
    let mut app = Router::new().route_service("/mcp", service);
    if !is_open {
        app = app
            .route_layer(auth.clone())
            .merge(auth.metadata().router());
    }

    let token = tenant.access_token().audience(&resource);
    let token = token.scope("mcp:use fixtures:read fixtures:call").mint()?;
    println!("server    {resource}\ntoken     {token}");
    Ok(axum::serve(listener, app).await?)
}
