//! Protected resource metadata over HTTP, and the scopes in the challenges of a 401.

use crate::common::{Server, bearer, builder, tenant, token};
use a0_testkit::{Endpoint, Fault};
use a0_tower::{Auth, MetadataService, Verified};
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Policy, ProtectedResource};
use axum::Router;
use axum::routing::get;
use http::Method;
use serde_json::json;

const RESOURCE: &str = "https://api.example/mcp";
const PATH: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT: &str = "/.well-known/oauth-protected-resource";

fn client(tenant: &a0_testkit::LocalTenant, resource: &str) -> ApiClient {
    let metadata = ProtectedResource::new(resource).scopes_supported(["mcp:read"]);
    let builder = builder(tenant).audience(resource);
    builder.protected_resource(metadata).build_async().unwrap()
}

fn service(client: &ApiClient) -> MetadataService {
    MetadataService::new(client.protected_resource_metadata().unwrap())
}

fn app(client: &ApiClient, metadata: &MetadataService) -> Router {
    Router::new()
        .route("/mcp", get(|_: Verified| async { "tools" }))
        .route_layer(Auth::new(client.clone()).challenge_scopes(["mcp:read"]))
        .merge(metadata.router())
}

#[test]
fn rfc9728_3_the_document_is_served_to_everybody_while_the_tenant_is_away() {
    let tenant = tenant();
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    let client = client(&tenant, RESOURCE);
    let server = Server::start(app(&client, &service(&client)));
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [tenant.issuer()],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["mcp:read"],
    });
    for fields in [
        vec![],
        bearer("opaque"),
        vec![("origin", "https://page.example".to_owned())],
    ] {
        let answer = server.get(PATH, &fields);
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.json(), expected);
        assert_eq!(answer.field("content-type"), Some("application/json"));
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.field("cache-control"), Some("public, max-age=3600"));
    }
    assert_eq!(tenant.request_count(Endpoint::Discovery), 0);
    // The challenge names exactly this URL.
    let answer = server.get("/mcp", &[]);
    let metadata = format!(r#"resource_metadata="https://api.example{PATH}""#);
    assert!(answer.challenges().iter().all(|it| it.contains(&metadata)));
}

#[test]
fn head_options_and_other_methods_are_answered() {
    let tenant = tenant();
    let client = client(&tenant, RESOURCE);
    let server = Server::start(app(&client, &service(&client)));
    let length = client.protected_resource_metadata().unwrap().json().len();
    let head = server.send(Method::HEAD, PATH, &[]);
    assert_eq!((head.status().as_u16(), head.text()), (200, ""));
    assert_eq!(head.field("content-length"), Some(&*length.to_string()));
    let preflight = [
        ("origin", "https://page.example".to_owned()),
        ("access-control-request-method", "GET".to_owned()),
        (
            "access-control-request-headers",
            "mcp-protocol-version".to_owned(),
        ),
    ];
    // A connection of its own: one that answered HEAD may be closed.
    let server = Server::start(app(&client, &service(&client)));
    let options = server.send(Method::OPTIONS, PATH, &preflight);
    assert_eq!(options.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "*"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-max-age", "86400"),
    ] {
        assert_eq!(options.field(name), Some(value));
    }
    // Not every server drops the body of such an answer.
    let head = service(&client).response(&Method::HEAD, PATH).unwrap();
    assert_eq!((head.status().as_u16(), &**head.body()), (200, ""));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = service(&client).response(&method, PATH).unwrap();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers()["allow"], "GET, HEAD, OPTIONS");
        assert_eq!(answer.body(), "");
    }
}

#[test]
fn the_document_is_at_its_exact_path_and_at_the_root_only_by_option() {
    let tenant = tenant();
    let client = client(&tenant, RESOURCE);
    let plain = service(&client);
    let rooted = plain
        .clone()
        .also_at_root()
        .max_age(std::time::Duration::from_secs(60));
    let status = |service: &MetadataService, path: &str| {
        let response = service.response(&Method::GET, path);
        response.map(|response| response.status().as_u16())
    };
    assert_eq!(status(&plain, PATH), Some(200));
    assert_eq!(status(&plain, ROOT), None);
    assert_eq!(status(&rooted, PATH), Some(200));
    assert_eq!(status(&rooted, ROOT), Some(200));
    for path in [
        "/",
        "/mcp",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known//oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/%6dcp",
        "/.well-known/oauth-protected-resource/MCP",
        "/.well-known/oauth-protected-resource/",
    ] {
        assert_eq!(status(&rooted, path), None, "{path}");
    }
    // As a tower service, it answers every path.
    for (path, expected) in [(PATH, 200), ("/mcp", 404)] {
        let request = http::Request::get(path).body(()).unwrap();
        let answered = tower_service::Service::call(&mut plain.clone(), request);
        let response = answered.into_inner().unwrap();
        assert_eq!(response.status(), expected, "{path}");
        assert_eq!(response.body().is_empty(), expected == 404, "{path}");
    }
    let cached = rooted.response(&Method::GET, ROOT).unwrap();
    assert_eq!(cached.headers()["cache-control"], "public, max-age=60");
    let server = Server::start(app(&client, &rooted));
    assert_eq!(server.get(ROOT, &[]).status(), 200);
    assert_eq!(server.get(&format!("{PATH}/"), &[]).status(), 404);
    assert_eq!(server.get(&format!("{PATH}?x=1"), &[]).status(), 200);
}

/// axum gives these characters a meaning in routes.
#[test]
fn every_resource_path_can_be_routed() {
    let tenant = tenant();
    for path in ["/:mcp", "/*mcp", "/a/b:c/*"] {
        let client = client(&tenant, &format!("https://api.example{path}"));
        let server = Server::start(
            Router::new()
                .without_v07_checks()
                .merge(service(&client).also_at_root().router()),
        );
        assert_eq!(
            server.get(&format!("{ROOT}{path}"), &[]).status(),
            200,
            "{path}"
        );
        assert_eq!(
            server.get(&format!("{ROOT}/other"), &[]).status(),
            404,
            "{path}"
        );
    }
    // The path is the root itself: one route, and no conflict.
    let client = client(&tenant, "https://api.example");
    let server = Server::start(Router::new().merge(service(&client).also_at_root().router()));
    assert_eq!(server.get(ROOT, &[]).status(), 200);
}

#[test]
fn rfc6750_3_a_401_names_the_scopes_to_ask_for_and_no_other_answer_does() {
    let tenant = tenant();
    let client = client(&tenant, RESOURCE);
    let auth = |scopes: &'static [&'static str]| {
        Auth::new(client.clone()).challenge_scopes(scopes.iter().copied())
    };
    let app = |auth: Auth| {
        let app = Router::new()
            .route("/", get(|_: Verified| async { "ok" }))
            .route_layer(auth);
        Server::start(app)
    };
    let scope = r#"scope="mcp:read mcp:list""#;
    let server = app(auth(&[
        "mcp:read",
        "offline_access",
        "a b",
        "\"",
        "mcp:list",
    ]));
    for fields in [vec![], bearer("opaque")] {
        let answer = server.get("/", &fields);
        assert_eq!(answer.status(), 401);
        assert!(!answer.challenges().is_empty());
        for challenge in answer.challenges() {
            assert!(challenge.contains(scope), "{challenge}");
        }
    }
    let valid = bearer(&token(&tenant).mint().unwrap());
    assert_eq!(server.get("/", &valid).status(), 200);
    // Where the policy names scopes, these are the ones.
    let strict = app(auth(&["mcp:read"]).require(Policy::scope("mcp:admin")));
    let refused = strict.get("/", &valid);
    assert_eq!(refused.status(), 403);
    assert!(refused.challenges()[0].contains(r#"scope="mcp:admin""#));
    let plain = app(auth(&["offline_access"]));
    assert!(!plain.get("/", &[]).challenges()[0].contains("scope="));
    let forbidden = app(auth(&["mcp:read"]).require(Policy::permission("x")));
    assert!(!forbidden.get("/", &valid).challenges()[0].contains("scope="));
}
