//! The types that handlers of `rmcp` use.

use crate::common::*;
use a0_testkit::Endpoint;
use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn lists_show_what_the_caller_may_use_and_are_private() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    for (scope, expected) in [
        ("mcp:use", vec!["echo", "ledger"]),
        (
            "mcp:use orders:admin",
            vec!["echo", "echo_strictly", "ledger", "refund", "unlisted"],
        ),
    ] {
        let token = token(&tenant, scope);
        let result = server.send(ask(Some(&token), "tools/list")).await.json()["result"].clone();
        let tools = result["tools"].as_array().unwrap();
        let mut names: Vec<&str> = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(result["cacheScope"], "private");
    }
}

#[tokio::test]
async fn resources_and_prompts_are_listed_for_those_who_may_use_them() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client)
        .method("resources/read", auth0_api::Policy::scope("read"))
        .method("prompts/get", auth0_api::Policy::scope("read"));
    let server = Server::new(&client, layer);
    for (scope, expected) in [("mcp:use", 0), ("mcp:use read", 1)] {
        let token = token(&tenant, scope);
        for (method, member) in [
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
            ("prompts/list", "prompts"),
        ] {
            let answer = server.send(ask(Some(&token), method)).await;
            let result = answer.json()["result"].clone();
            let list = result[member].as_array().unwrap();
            assert_eq!(list.len(), expected, "{method} {scope}: {result}");
            assert_eq!(result["cacheScope"], "private");
        }
    }
}

#[tokio::test]
async fn a_tool_calls_another_api_on_behalf_of_the_caller_and_never_with_the_callers_token() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let ada = token(&tenant, "mcp:use");
    let issued = async |token: &str| {
        let answer = server.send(call(Some(token), "ledger")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let result = &answer.json()["result"];
        result["content"][0]["text"].as_str().unwrap().to_owned()
    };
    let first = issued(&ada).await;
    assert_ne!(first, ada);
    let payload = auth0_api::jose::unverified_payload(&first, 16 * 1024).unwrap();
    assert_eq!(
        payload.get("aud").map(|aud| json!(aud)),
        Some(json!(LEDGER))
    );
    assert_eq!(
        payload.get("sub").map(|sub| json!(sub)),
        Some(json!("auth0|ada"))
    );
    // The second call of the same token takes the token from the cache.
    assert_eq!(issued(&ada).await, first);
    assert_eq!(tenant.request_count(Endpoint::Token), 1);
}

/// The endpoint's own words may repeat what was sent to it.
#[tokio::test]
async fn a_failed_exchange_tells_the_client_nothing() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    tenant.misbehave(Endpoint::Token, a0_testkit::Fault::status(500));
    let ada = token(&tenant, "mcp:use");
    let answer = server.send(call(Some(&ada), "ledger")).await;
    let error: &Value = &answer.json()["error"];
    assert_eq!(error["message"], "the server could not carry out the call");
    assert!(!answer.text.contains(&ada));
    // A client that does not keep tokens cannot exchange them, and sends nothing.
    let forgetful = auth0_api::asynchronous::ApiClient::builder()
        .audience(RESOURCE)
        .client_id("mcp-server")
        .client_secret("secret")
        .protected_resource(auth0_api::ProtectedResource::new(RESOURCE))
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
        .build_async()
        .unwrap();
    let sent = tenant.request_count(Endpoint::Token);
    let server = Server::new(&forgetful, auth(&forgetful));
    let answer = server.send(call(Some(&ada), "ledger")).await;
    assert_eq!(answer.json()["error"]["code"], -32603);
    assert_eq!(tenant.request_count(Endpoint::Token), sent);
}

#[tokio::test]
async fn a_tool_may_require_more_by_its_arguments() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client).tool("echo_strictly", auth0_api::Policy::verified());
    let server = Server::new(&client, layer);
    let weak = token(&tenant, "mcp:use");
    let answer = server.send(call(Some(&weak), "echo_strictly")).await;
    assert_eq!(answer.status, 200);
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], -32600, "{error}");
    let strong = token(&tenant, "mcp:use orders:write");
    let answer = server.send(call(Some(&strong), "echo_strictly")).await;
    assert_eq!(answer.json()["result"]["content"][0]["text"], "ok");
}

/// `rmcp` accepts loopback names only, and checks no `Origin`, by default.
#[tokio::test]
async fn the_configuration_of_rmcp_follows_from_the_layer() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client)
        .allowed_origins([
            "https://app.example",
            "http://localhost:6274",
            "https://a.example/x",
        ])
        .max_body_size(77);
    let config = layer.server_config();
    assert_eq!(config.allowed_hosts, ["api.example"]);
    assert_eq!(
        config.allowed_origins,
        [
            "https://api.example:443",
            "https://app.example:443",
            "http://localhost:6274"
        ]
    );
    assert_eq!(config.max_request_body_bytes, 77);
    let server = Server::new(&client, auth(&client));
    let good = token(&tenant, "mcp:use");
    let mut rebound = request(
        Method::POST,
        Some(&good),
        &[
            JSON,
            VERSION,
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ],
        call_body("echo"),
    );
    rebound
        .headers_mut()
        .insert("host", "evil.example".parse().unwrap());
    assert_eq!(server.send(rebound).await.status, 403);
    assert!(server.ran().is_empty());
    // Without the layer, `rmcp` itself refuses the origin.
    let (service, _) = service(&client, &auth(&client));
    let bare = Server {
        app: axum::Router::new().route_service("/mcp", service),
        log: Log::default(),
    };
    let mut page = call(None, "echo");
    page.headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(bare.send(page).await.status, 403);
    // A handler without the layer is an error of the server.
    let answer = bare.send(call(None, "echo")).await;
    assert_eq!(answer.json()["error"]["code"], -32603);
}
