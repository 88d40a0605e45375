//! A tenant in memory: documents, keys, faults, gates and recorded requests.

use std::io::{self, ErrorKind, Read as _};
use std::thread;

use crate::common::{json_of, kids, parts, tenant};
use a0_testkit::{Endpoint, Fault, Gate, LocalNetwork, LocalTenant};
use flate2::read::GzDecoder;
use http::{Method, Request, Response};
use serde_json::Value;

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
            (Ok(response), Some(status)) => assert_eq!(response.status(), status, "{url}"),
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
            let response = get(&tenant, endpoint).map_err(|error| error.kind());
            let usual = if endpoint == Endpoint::Token {
                401
            } else {
                200
            };
            let replaced = !["none", "headers"].contains(&format!("{fault:?}").as_str());
            let outcome = if replaced { outcome } else { Ok(usual) };
            assert_eq!(
                response.as_ref().map(|r| r.status().as_u16()),
                outcome.as_ref().copied(),
                "{fault:?}"
            );
            if let (Ok(response), Some((name, value))) = (response, header) {
                assert_eq!(response.headers()[name], value, "{fault:?}");
            }
        }
        tenant.recover(endpoint);
    }
    tenant.misbehave(Endpoint::Jwks, Fault::endless_body());
    assert_eq!(get(&tenant, Endpoint::Jwks).unwrap().body().len(), 8 << 20);
}

#[test]
fn a_gzip_bomb_decodes_to_json() {
    let tenant = tenant();
    for decoded in [0, 1, 261, 1 << 20] {
        tenant.misbehave(Endpoint::Jwks, Fault::gzip_bomb(decoded));
        let response = get(&tenant, Endpoint::Jwks).unwrap();
        let mut body = Vec::new();
        let mut gzip = GzDecoder::new(response.body().as_slice());
        gzip.read_to_end(&mut body).unwrap();
        assert!(body.len() >= decoded, "{decoded}: {}", body.len());
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json, Value::Object(Default::default()), "{decoded}");
        assert!(response.body().len() <= 100 + decoded / 500, "{decoded}");
    }
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
        // Meanwhile the tenant responds to other requests.
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
