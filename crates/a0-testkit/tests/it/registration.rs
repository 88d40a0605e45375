//! Clients that the tenant learns at run time: registration, metadata documents, CORS.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use crate::common::login::*;
use crate::common::{json_of, tenant};
use a0_testkit::{Endpoint, Feature, HttpsServer, LocalTenant};
use http::{Method, Request, Response};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use serde_json::{Value, json};

const JSON: [(&str, &str); 1] = [("content-type", "application/json; charset=utf-8")];

fn register(tenant: &LocalTenant, body: &Value) -> (u16, Value) {
    let response = post(tenant, "/oidc/register", &JSON, &body.to_string());
    let cache_control = response.headers().get("cache-control");
    assert!(response.status() == 404 || cache_control.is_some_and(|it| it == "no-store"));
    (response.status().as_u16(), json_of(&response))
}

#[test]
fn rfc7591_3_a_client_registers_and_logs_in() {
    let tenant = tenant();
    let (status, client) = register(
        &tenant,
        &json!({
            "client_name": "Inspector",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "native",
            "software_statement": "ignored",
            "x_unknown": { "ignored": true },
        }),
    );
    assert_eq!(status, 201, "{client}");
    assert!(client.get("client_secret").is_none() && client.get("x_unknown").is_none());
    assert!(client["client_id_issued_at"].is_i64());
    let id = client["client_id"].as_str().unwrap();
    let mut wanted = valid();
    wanted.insert("client_id", id.to_owned());
    let form = token_form_of(id, &code(&tenant, &wanted));
    let (status, json) = token(&tenant, &[], &form);
    assert_eq!(status, 200);
    assert!(json["refresh_token"].is_string());

    // The defaults: a secret by Basic, the grant type authorization_code alone.
    let (_, client) = register(&tenant, &json!({ "redirect_uris": [CALLBACK] }));
    assert_eq!(client["token_endpoint_auth_method"], "client_secret_basic");
    assert_eq!(client["grant_types"], json!(["authorization_code"]));
    assert_eq!(client["client_secret_expires_at"], 0);
    let (id, secret) = (
        client["client_id"].as_str().unwrap(),
        client["client_secret"].as_str().unwrap(),
    );
    wanted.insert("client_id", id.to_owned());
    let form = token_form_of(id, &code(&tenant, &wanted));
    let posted = format!("{form}&client_secret={secret}");
    assert_eq!(
        token(&tenant, &[], &posted).0,
        401,
        "the secret has to be sent by Basic"
    );
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    let (status, json) = token(
        &tenant,
        &[("authorization", &format!("Basic {basic}"))],
        &form,
    );
    assert_eq!(status, 200);
    assert!(
        json.get("refresh_token").is_none(),
        "refresh_token is not registered"
    );

    tenant.disable(Feature::Registration);
    assert!(tenant.metadata().get("registration_endpoint").is_none());
    assert_eq!(
        register(&tenant, &json!({ "redirect_uris": [CALLBACK] })).0,
        404
    );
}

#[test]
fn rfc7591_3_2_2_what_a_client_may_not_register() {
    let tenant = tenant();
    let many: Vec<String> = (0..21)
        .map(|it| format!("https://app.example/{it}"))
        .collect();
    let uri = |uri: &str| (json!({ "redirect_uris": [uri] }), "invalid_redirect_uri");
    let with = |name: &str, value: Value| {
        let mut body = json!({ "redirect_uris": [CALLBACK] });
        body[name] = value;
        (body, "invalid_client_metadata")
    };
    let cases = [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": many }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": CALLBACK }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [1] }), "invalid_client_metadata"),
        (json!({ "redirect_uris": null }), "invalid_client_metadata"),
        uri("http://app.example/callback"),
        uri("javascript:alert(1)"),
        uri("data:text/html,<script>"),
        uri("https://app.example/callback#x"),
        uri("https://user@app.example/"),
        uri("https://app.example/\r\nx"),
        uri("/callback"),
        uri(""),
        uri("http://localhost.evil.example/"),
        with("token_endpoint_auth_method", json!("private_key_jwt")),
        with("token_endpoint_auth_method", json!(["none"])),
        with("grant_types", json!(["implicit"])),
        with("grant_types", json!(["password"])),
        with("grant_types", json!("authorization_code")),
        with("response_types", json!(["token"])),
        with("response_types", json!([])),
        with("application_type", json!("toaster")),
        with("client_name", json!(7)),
        with("client_name", json!("x".repeat(201))),
        with("client_uri", json!("javascript:alert(1)")),
        with("logo_uri", json!({})),
        with("jwks_uri", json!("file:///etc/passwd")),
        (
            json!({ "redirect_uris": [CALLBACK], "jwks": {}, "jwks_uri": "https://a.example/" }),
            "invalid_client_metadata",
        ),
        (
            json!({ "grant_types": ["client_credentials"], "token_endpoint_auth_method": "none" }),
            "invalid_client_metadata",
        ),
        (
            json!({ "grant_types": ["client_credentials"], "redirect_uris": [CALLBACK] }),
            "invalid_redirect_uri",
        ),
    ];
    for (body, error) in cases {
        let (status, json) = register(&tenant, &body);
        assert_eq!((status, &json["error"]), (400, &json!(error)), "{body}");
        assert!(json["error_description"].is_string());
    }
    let deep = "[".repeat(100_000);
    let long = json!({ "redirect_uris": [CALLBACK], "ignored": "x".repeat(70_000) }).to_string();
    let good = json!({ "redirect_uris": [CALLBACK] }).to_string();
    for (content_type, body) in [
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", "null"),
        ("application/json", "{"),
        ("application/json", "{}{}"),
        ("application/json", "\u{feff}{}"),
        ("application/json", &deep),
        ("application/json", &long),
        ("text/plain", &good),
        ("application/x-www-form-urlencoded", &good),
        ("application/jsonp", &good),
    ] {
        let response = post(
            &tenant,
            "/oidc/register",
            &[("content-type", content_type)],
            body,
        );
        assert_eq!(response.status(), 400, "{content_type}");
        assert_eq!(json_of(&response)["error"], "invalid_client_metadata");
    }
    let response = post(&tenant, "/oidc/register", &[], &good);
    assert_eq!(response.status(), 400);
}

#[test]
fn rfc8414_3_both_documents_are_the_same() {
    let tenant = tenant();
    let (oidc, oauth) = (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    );
    let document = json_of(&get(&tenant, oidc, &[]));
    for (name, value) in [
        (
            "authorization_endpoint",
            json!("https://tenant.example/authorize"),
        ),
        (
            "registration_endpoint",
            json!("https://tenant.example/oidc/register"),
        ),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("response_types_supported", json!(["code"])),
        ("client_id_metadata_document_supported", json!(true)),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        (
            "token_endpoint_auth_methods_supported",
            json!(["client_secret_basic", "client_secret_post", "none"]),
        ),
    ] {
        assert_eq!(document[name], value, "{name}");
    }
    let grants = document["grant_types_supported"].as_array().unwrap();
    assert!(
        grants.contains(&json!("authorization_code")) && grants.contains(&json!("refresh_token"))
    );
    tenant.remove_metadata("scopes_supported");
    tenant.set_metadata("service_documentation", "https://docs.example/");
    tenant.disable(Feature::ClientIdMetadataDocuments);
    let (oidc, oauth) = (get(&tenant, oidc, &[]), get(&tenant, oauth, &[]));
    assert_eq!(oidc.body(), oauth.body());
    assert!(
        json_of(&oauth)
            .get("client_id_metadata_document_supported")
            .is_none()
    );
    for wrong in [
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/x",
    ] {
        assert_eq!(get(&tenant, wrong, &[]).status(), 404);
    }
}

#[test]
fn pages_of_other_origins_may_call_what_a_client_calls() {
    let tenant = tenant();
    for (endpoint, open) in [
        (Endpoint::Discovery, true),
        (Endpoint::AuthorizationServer, true),
        (Endpoint::Jwks, true),
        (Endpoint::Token, true),
        (Endpoint::Registration, true),
        (Endpoint::Authorize, false),
        (Endpoint::Login, false),
    ] {
        for method in [endpoint.method(), Method::OPTIONS] {
            let request = Request::builder()
                .method(method.clone())
                .uri(endpoint.path())
                .header("origin", "https://spa.example")
                .header("access-control-request-method", endpoint.method().as_str())
                .body(Vec::new())
                .unwrap();
            let response = tenant.handle(request).unwrap();
            let allowed = response.headers().get("access-control-allow-origin");
            assert_eq!(allowed.is_some(), open, "{method} {endpoint:?}");
            assert!(
                !response
                    .headers()
                    .contains_key("access-control-allow-credentials")
            );
            if method == Method::OPTIONS {
                assert_eq!(response.status(), if open { 204 } else { 405 });
                let headers = response.headers().get("access-control-allow-headers");
                assert_eq!(headers.is_some_and(|it| it == "Authorization, *"), open);
            }
        }
    }
}

/// A server of metadata documents, by path.
fn documents() -> HttpsServer {
    HttpsServer::start(|request: Request<Vec<u8>>| {
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        let path = request.uri().path().to_owned();
        let client_id = format!("https://{host}{path}");
        let mut document = json!({
            "client_id": client_id,
            "client_name": "Document",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let (mut status, mut content_type) = (200, "application/json");
        match path.as_str() {
            "/other-id" => document["client_id"] = json!("https://localhost/else"),
            "/no-id" => drop(document.as_object_mut().unwrap().remove("client_id")),
            "/secret" => document["client_secret"] = json!("s"),
            "/secret-expiry" => document["client_secret_expires_at"] = json!(0),
            "/by-secret" => document["token_endpoint_auth_method"] = json!("client_secret_basic"),
            "/no-redirect" => document["redirect_uris"] = json!([]),
            "/bad-redirect" => document["redirect_uris"] = json!(["javascript:alert(1)"]),
            "/array" => document = json!([document]),
            "/long" | "/longest" => {
                document["x"] = json!("");
                let length = document.to_string().len();
                let limit = (5 << 10) + usize::from(path == "/long");
                document["x"] = json!(" ".repeat(limit - length));
            }
            "/html" => content_type = "text/html",
            "/missing" => status = 404,
            "/redirect" => status = 302,
            _ => {}
        }
        let mut response = Response::builder()
            .status(status)
            .header("location", "/good");
        if path != "/untyped" {
            response = response.header("content-type", content_type);
        }
        if path == "/head" {
            response = response.header("x", " ".repeat(17 << 10) + "x");
        }
        Ok(response.body(document.to_string().into_bytes()).unwrap())
    })
    .unwrap()
}

#[test]
fn a_client_is_known_by_its_metadata_document() {
    let tenant = tenant();
    let server = documents();
    let authorize = |client_id: &str| {
        let mut wanted = valid();
        wanted.insert("client_id", client_id.to_owned());
        get(&tenant, &format!("/authorize?{}", query(&wanted)), &[])
    };
    let good = format!("{}/good", server.origin());
    assert_eq!(
        authorize(&good).status(),
        400,
        "the certificate is not trusted yet"
    );
    tenant.trust_client_documents(server.ca_pem()).unwrap();

    let ip = good.replace("localhost", "127.0.0.1");
    for client_id in [good.clone(), ip, good.replace("/good", "/longest")] {
        let response = authorize(&client_id);
        assert_eq!(response.status(), 302, "{}", text(&response));
        let form = token_form_of(&client_id, &answer(&response)["code"]);
        let (status, json) = token(&tenant, &[], &form);
        assert_eq!(status, 200, "{json}");
        assert_eq!(claims(&json["access_token"])["azp"], client_id);
    }
    for path in [
        "/other-id",
        "/no-id",
        "/secret",
        "/secret-expiry",
        "/by-secret",
        "/no-redirect",
        "/bad-redirect",
        "/array",
        "/long",
        "/html",
        "/untyped",
        "/head",
        "/missing",
        "/redirect",
        "/good?x",
        "/good#x",
        "/./good",
        "/",
    ] {
        let response = authorize(&format!("{}{path}", server.origin()));
        assert_eq!(response.status(), 400, "{path}");
        assert!(!response.headers().contains_key("location"), "{path}");
        assert!(text(&response).contains("No client: "), "{path}");
    }
    let closed = documents();
    let gone = format!("{}/good", closed.origin());
    drop(closed);
    assert_eq!(authorize(&gone).status(), 400);

    tenant.disable(Feature::ClientIdMetadataDocuments);
    let unknown = good.replace("/good", "/never-fetched");
    assert!(text(&authorize(&unknown)).contains("The client is unknown"));
}

fn authorize(tenant: &LocalTenant, port: u16) -> Response<Vec<u8>> {
    let mut wanted = valid();
    wanted.insert("client_id", format!("https://localhost:{port}/client"));
    get(tenant, &format!("/authorize?{}", query(&wanted)), &[])
}

#[test]
fn a_document_that_never_comes_is_given_up() {
    let tenant = tenant();
    tenant.set_client_document_timeout(Duration::from_millis(50));
    for hangs in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (done, answered) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            // Accepts, and hangs up or keeps the connection without a word.
            let connection = listener.accept();
            if hangs {
                let _ = answered.recv_timeout(Duration::from_secs(10));
            }
            drop(connection);
        });
        let response = authorize(&tenant, port);
        assert_eq!(response.status(), 400);
        assert_eq!(text(&response).contains("took too long"), hangs);
        drop(done);
        server.join().unwrap();
    }
}

/// A server that has a certificate of a trusted authority, but for another name.
#[test]
fn a_document_of_a_server_with_another_name_is_refused() {
    use openssl::ssl::{SslAcceptor, SslMethod};

    let tenant = tenant();
    for (name, status) in [("localhost", 302), ("other.example", 400)] {
        let (certificate, key) = self_signed(name);
        tenant
            .trust_client_documents(certificate.to_pem().unwrap())
            .unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        acceptor.set_private_key(&key).unwrap();
        let acceptor = acceptor.build();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (connection, _) = listener.accept().unwrap();
            // The client ends the handshake if it does not trust the name.
            let Ok(mut stream) = acceptor.accept(connection) else {
                return;
            };
            let mut request = [0; 4096];
            if !stream.read(&mut request).is_ok_and(|length| length > 0) {
                return;
            }
            let document = json!({
                "client_id": format!("https://localhost:{port}/client"),
                "redirect_uris": [CALLBACK],
            });
            let document = document.to_string();
            let length = document.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{document}"
            )
            .unwrap();
        });
        assert_eq!(authorize(&tenant, port).status(), status, "{name}");
        server.join().unwrap();
    }
}

fn self_signed(name: &str) -> (openssl::x509::X509, PKey<Private>) {
    use openssl::asn1::Asn1Time;
    use openssl::x509::{X509, X509Name, extension::SubjectAlternativeName};

    let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    let days = |days| Asn1Time::days_from_now(days).unwrap();
    builder.set_not_before(&days(0)).unwrap();
    builder.set_not_after(&days(1)).unwrap();
    let context = builder.x509v3_context(None, None);
    let names = SubjectAlternativeName::new()
        .dns(name)
        .build(&context)
        .unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}
