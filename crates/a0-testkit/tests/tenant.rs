//! A tenant in memory: documents, rotation, faults, gates, records, the token endpoint.

mod common;

use std::io::{self, ErrorKind};
use std::thread;

use a0_testkit::{Endpoint, Fault, Gate, LocalNetwork, LocalTenant, ProofKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{kids, parts};
use http::{Method, Request, Response};
use serde_json::{Value, json};

fn tenant() -> LocalTenant {
    LocalTenant::new("tenant.example").unwrap()
}

fn request(method: Method, url: &str) -> Request<Vec<u8>> {
    Request::builder()
        .method(method)
        .uri(url)
        .body(Vec::new())
        .unwrap()
}

fn get(tenant: &LocalTenant, endpoint: Endpoint) -> io::Result<Response<Vec<u8>>> {
    tenant.handle(request(endpoint.method(), &tenant.url(endpoint)))
}

fn json_of(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

#[test]
fn documents() {
    let tenant = tenant();
    let discovery = get(&tenant, Endpoint::Discovery).unwrap();
    assert_eq!(discovery.headers()["content-type"], "application/json");
    let cache_control = "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400";
    assert_eq!(discovery.headers()["cache-control"], cache_control);
    let metadata = json_of(&discovery);
    assert_eq!(metadata["issuer"], "https://tenant.example/");
    assert_eq!(metadata["jwks_uri"], tenant.url(Endpoint::Jwks));
    assert_eq!(metadata["token_endpoint"], tenant.url(Endpoint::Token));

    tenant.set_metadata("issuer", "https://other.example/");
    tenant.remove_metadata("jwks_uri");
    tenant.cache_control(None);
    let discovery = get(&tenant, Endpoint::Discovery).unwrap();
    assert!(!discovery.headers().contains_key("cache-control"));
    let metadata = json_of(&discovery);
    assert_eq!(metadata["issuer"], "https://other.example/");
    assert!(metadata.get("jwks_uri").is_none());

    let jwks = json_of(&get(&tenant, Endpoint::Jwks).unwrap());
    let entry = &jwks["keys"][0];
    let members = [
        ("kty", "RSA"),
        ("use", "sig"),
        ("alg", "RS256"),
        ("e", "AQAB"),
    ];
    for (name, value) in members {
        assert_eq!(entry[name], value);
    }
    assert_eq!(entry["kid"], tenant.kid());
    tenant.set_jwks_body(Some(b"not json"));
    assert_eq!(get(&tenant, Endpoint::Jwks).unwrap().body(), b"not json");
    tenant.set_jwks_body(None);
    tenant.publish_jwk(Value::Null);
    assert_eq!(
        json_of(&get(&tenant, Endpoint::Jwks).unwrap())["keys"][1],
        Value::Null
    );
}

#[test]
fn domains() {
    for domain in ["tenant.example", "localhost:4433", "[::1]:4433"] {
        assert_eq!(
            LocalTenant::new(domain).unwrap().issuer(),
            format!("https://{domain}/")
        );
    }
    for domain in [
        "",
        "https://tenant.example",
        "a/b",
        "user@host",
        "a b",
        "host:port:",
    ] {
        assert!(LocalTenant::new(domain).is_err(), "{domain}");
    }
}

#[test]
fn origins_paths_and_methods() {
    let tenant = tenant();
    let jwks = "/.well-known/jwks.json";
    for (url, expected) in [
        (format!("https://tenant.example{jwks}"), Some(200)),
        (format!("https://tenant.example:443{jwks}"), Some(200)),
        (format!("https://TENANT.example{jwks}?q=1"), Some(200)),
        (jwks.to_owned(), Some(200)),
        ("https://tenant.example/".to_owned(), Some(404)),
        (format!("https://tenant.example:444{jwks}"), None),
        (format!("http://tenant.example{jwks}"), None),
        (format!("https://other.example{jwks}"), None),
        (format!("https://user@tenant.example{jwks}"), None),
    ] {
        match (tenant.handle(request(Method::GET, &url)), expected) {
            (Ok(answer), Some(status)) => assert_eq!(answer.status(), status, "{url}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            (outcome, _) => panic!("{url}: {outcome:?}"),
        }
    }
    assert_eq!(tenant.refused().len(), 4);
    assert_eq!(tenant.requests().len(), 5);

    let wrong = tenant.handle(request(Method::GET, "/oauth/token")).unwrap();
    assert_eq!(
        (wrong.status().as_u16(), &wrong.headers()["allow"]),
        (405, &"POST".parse().unwrap())
    );
    let wrong = tenant.handle(request(Method::POST, jwks)).unwrap();
    assert_eq!(
        (wrong.status().as_u16(), &wrong.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
}

#[test]
fn rotation() {
    let tenant = tenant();
    let first = tenant.kid();
    let second = tenant.rotate_keys().unwrap();
    assert_ne!(first, second);
    assert_eq!(kids(&tenant.jwks()), [first.clone(), second.clone()]);
    assert_eq!(
        parts(&tenant.access_token().mint().unwrap()).header["kid"],
        second
    );

    assert!(tenant.retire_key(&first));
    assert!(!tenant.retire_key(&first));
    assert_eq!(kids(&tenant.jwks()), [second.as_str()]);

    let es256 = tenant.publish_es256().unwrap();
    let third = tenant.replace_keys().unwrap();
    let now = kids(&tenant.jwks());
    assert_eq!(now.len(), 2);
    assert!(now.contains(&third) && !now.contains(&second) && !now.contains(&es256));
}

#[test]
fn tenants_of_one_name_share_a_key_and_others_do_not() {
    assert_eq!(tenant().kid(), tenant().kid());
    assert_ne!(
        tenant().kid(),
        LocalTenant::new("other.example").unwrap().kid()
    );
}

#[test]
fn faults() {
    let tenant = tenant();
    let cases = [
        (Fault::status(503), Ok(503), None),
        (Fault::status(9), Ok(500), None),
        (
            Fault::retry_after(429, 30),
            Ok(429),
            Some(("retry-after", "30")),
        ),
        (
            Fault::redirect("https://x.example/"),
            Ok(302),
            Some(("location", "https://x.example/")),
        ),
        (
            Fault::body(200, "text/html", "<p>"),
            Ok(200),
            Some(("content-type", "text/html")),
        ),
        (
            Fault::headers([("cache-control", "no-store")]),
            Ok(200),
            Some(("cache-control", "no-store")),
        ),
        (
            Fault::gzip_bomb(1 << 20),
            Ok(200),
            Some(("content-encoding", "gzip")),
        ),
        (Fault::endless_body(), Ok(200), None),
        (
            Fault::transport(ErrorKind::ConnectionReset),
            Err(ErrorKind::ConnectionReset),
            None,
        ),
        (Fault::stalled_body(), Err(ErrorKind::TimedOut), None),
        (Fault::trickling_body(), Err(ErrorKind::TimedOut), None),
        (Fault::none(), Ok(200), None),
    ];
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks, Endpoint::Token] {
        for (fault, outcome, header) in cases.clone() {
            tenant.misbehave(endpoint, fault.clone());
            let answer = get(&tenant, endpoint).map_err(|error| error.kind());
            let usual = if endpoint == Endpoint::Token {
                401
            } else {
                200
            };
            let replaced = !["none", "headers"].contains(&format!("{fault:?}").as_str());
            let outcome = if replaced { outcome } else { Ok(usual) };
            assert_eq!(
                answer.as_ref().map(|a| a.status().as_u16()),
                outcome.as_ref().copied(),
                "{fault:?}"
            );
            if let (Ok(answer), Some((name, value))) = (answer, header) {
                assert_eq!(answer.headers()[name], value, "{fault:?}");
            }
        }
        tenant.recover(endpoint);
    }
    tenant.misbehave(Endpoint::Jwks, Fault::endless_body());
    assert_eq!(get(&tenant, Endpoint::Jwks).unwrap().body().len(), 8 << 20);
}

#[test]
fn scripts_run_before_what_lasts() {
    let tenant = tenant();
    tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    tenant.misbehave_script(Endpoint::Jwks, [Fault::none(), Fault::status(429)]);
    tenant.misbehave_times(Endpoint::Jwks, 2, Fault::status(503));
    let status = || get(&tenant, Endpoint::Jwks).unwrap().status().as_u16();
    let seen: Vec<u16> = (0..6).map(|_| status()).collect();
    assert_eq!(seen, [200, 429, 503, 503, 500, 500]);
    assert_eq!(get(&tenant, Endpoint::Discovery).unwrap().status(), 200);
    tenant.recover(Endpoint::Jwks);
    assert_eq!(status(), 200);
    assert_eq!(tenant.request_count(Endpoint::Jwks), 7);
    assert_eq!(tenant.request_count(Endpoint::Discovery), 1);
    tenant.reset_requests();
    assert_eq!(tenant.request_count(Endpoint::Jwks), 0);
}

#[test]
fn a_gate_holds_a_request() {
    let tenant = tenant();
    let gate = Gate::new();
    tenant.misbehave(Endpoint::Jwks, Fault::hold_then(&gate, Fault::status(503)));
    thread::scope(|scope| {
        let held: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| get(&tenant, Endpoint::Jwks).unwrap().status()))
            .collect();
        assert!(gate.wait_arrivals(3));
        assert!(held.iter().all(|thread| !thread.is_finished()));
        // The tenant answers others meanwhile.
        assert_eq!(get(&tenant, Endpoint::Discovery).unwrap().status(), 200);
        gate.release();
        for thread in held {
            assert_eq!(thread.join().unwrap(), 503);
        }
    });
    assert_eq!(gate.arrived(), 3);
    assert_eq!(get(&tenant, Endpoint::Jwks).unwrap().status(), 503);
}

#[test]
fn a_dropped_gate_lets_go() {
    let tenant = tenant();
    let gate = Gate::new();
    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::hold_at(&gate));
    let client = tenant.client();
    let url = tenant.url(Endpoint::Jwks);
    let held = thread::spawn(move || client(request(Method::GET, &url)));
    assert!(gate.wait_arrived());
    drop(gate);
    assert_eq!(held.join().unwrap().unwrap().status(), 200);
}

#[test]
fn a_network_finds_the_tenant() {
    let network = LocalNetwork::new();
    let tenants = ["one.example", "two.example:8443"].map(|domain| network.tenant(domain).unwrap());
    let client = network.client();
    for tenant in &tenants {
        let discovery = client(request(Method::GET, &tenant.url(Endpoint::Discovery))).unwrap();
        assert_eq!(json_of(&discovery)["issuer"], tenant.issuer());
        assert_eq!(tenant.request_count(Endpoint::Discovery), 1);
    }
    for url in [
        "https://three.example/",
        "https://two.example/",
        "/oauth/token",
    ] {
        let error = client(request(Method::GET, url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(network.refused().len(), 3);
}

fn token_request(headers: &[(&str, &str)], body: &str) -> Request<Vec<u8>> {
    let mut request = Request::post("https://tenant.example/oauth/token");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.as_bytes().to_vec()).unwrap()
}

#[test]
fn client_credentials_and_refusals() {
    let tenant = tenant();
    tenant.register_client("client", "se:cret");
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let (good, bad) = (basic("client:se%3Acret"), basic("client:wrong"));
    let cc = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example%2F&scope=a+b";
    let post = format!("{cc}&client_id=client&client_secret=se%3Acret");
    let cases: [(Option<&str>, &str, u16, &str); 11] = [
        (None, &post, 200, ""),
        (Some(&good), cc, 200, ""),
        (Some(&bad), cc, 401, "invalid_client"),
        (Some("Bearer x"), cc, 401, "invalid_client"),
        (None, cc, 401, "invalid_client"),
        (
            None,
            &post.replace("client_id=client", "client_id=other"),
            401,
            "invalid_client",
        ),
        (Some(&good), &post, 400, "invalid_request"),
        (
            Some(&good),
            "grant_type=password",
            400,
            "unsupported_grant_type",
        ),
        (Some(&good), "", 400, "invalid_request"),
        (
            Some(&good),
            "grant_type=client_credentials",
            400,
            "invalid_request",
        ),
        (
            Some(&good),
            "grant_type=a&grant_type=a",
            400,
            "invalid_request",
        ),
    ];
    for (authorization, body, status, error) in cases {
        let headers: Vec<_> = authorization
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        let answer = tenant.handle(token_request(&headers, body)).unwrap();
        let json = json_of(&answer);
        assert_eq!(answer.status(), status, "{body}: {json}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let challenged = answer.headers().contains_key("www-authenticate");
        assert_eq!(
            challenged,
            status == 401 && authorization.is_some(),
            "{body}"
        );
        if status == 200 {
            let claims = parts(json["access_token"].as_str().unwrap()).payload;
            assert_eq!(claims["sub"], "client@clients");
            assert_eq!(claims["aud"], "https://api.example/");
            assert_eq!(
                (&json["scope"], &claims["scope"]),
                (&json!("a b"), &json!("a b"))
            );
            assert_eq!(
                (&json["token_type"], &json["expires_in"]),
                (&json!("Bearer"), &json!(3600))
            );
        } else {
            assert_eq!(json["error"], error, "{body}");
        }
    }

    let record = &tenant.requests()[0];
    assert!(
        record
            .form()
            .contains(&("client_secret".to_owned(), "se:cret".to_owned()))
    );
    let shown = format!("{:?}", tenant.requests());
    assert!(!shown.contains("cret") && !shown.contains(&good), "{shown}");
}

#[test]
fn token_exchange_nests_the_actors_and_binds_to_the_proof() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let exchange = |client: &str, subject_token: &str, proof: Option<&str>| {
        tenant.register_client(client, "secret");
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=next\
             &subject_token={subject_token}&subject_token_type=x&client_id={client}&client_secret=secret"
        );
        let headers: Vec<_> = proof.map(|proof| ("DPoP", proof)).into_iter().collect();
        json_of(&tenant.handle(token_request(&headers, &body)).unwrap())
    };

    let user = tenant.access_token().subject("auth0|ada").mint().unwrap();
    let first = exchange("one", &user, None);
    assert_eq!(
        first["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert!(first.get("scope").is_none());
    let proof = key
        .proof("POST", &tenant.url(Endpoint::Token))
        .mint()
        .unwrap();
    let second = exchange("two", first["access_token"].as_str().unwrap(), Some(&proof));
    assert_eq!(second["token_type"], "DPoP");
    let claims = parts(second["access_token"].as_str().unwrap()).payload;
    assert_eq!(claims["sub"], "auth0|ada");
    assert_eq!(claims["aud"], "next");
    assert_eq!(
        claims["act"],
        json!({ "sub": "two", "act": { "sub": "one" } })
    );
    assert_eq!(claims["cnf"], json!({ "jkt": key.thumbprint() }));

    assert_eq!(exchange("one", "", None)["error"], "invalid_request");
    assert_eq!(
        exchange("one", "opaque", Some("junk"))["error"],
        "invalid_dpop_proof"
    );
    assert!(exchange("one", "opaque", None)["access_token"].is_string());
}

#[test]
fn a_connection_token_names_connection_and_account() {
    let tenant = tenant();
    tenant.register_client("client", "secret");
    let good = "grant_type=urn%3Aauth0%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange%3A\
        federated-connection-access-token&connection=google&subject_token=t&subject_token_type=\
        urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&requested_token_type=\
        http%3A%2F%2Fauth0.com%2Foauth%2Ftoken-type%2Ffederated-connection-access-token\
        &client_id=client&client_secret=secret";
    for (body, token) in [
        (good.to_owned(), Some("google:default")),
        (format!("{good}&login_hint=ada"), Some("google:ada")),
        (good.replace("connection=google", "connection="), None),
        (good.replace("subject_token=t", "subject_token="), None),
        (good.replace("Aaccess_token", "Aid_token"), None),
        (good.replace("requested_token_type", "wanted"), None),
    ] {
        let json = json_of(&tenant.handle(token_request(&[], &body)).unwrap());
        assert_eq!(json["access_token"].as_str(), token, "{body}");
        let error = token.is_none().then_some("invalid_request");
        assert_eq!(json["error"].as_str(), error, "{body}");
    }
}
