//! The token endpoint of a tenant: grants, client authentication and errors.

use crate::common::{json_of, parts, tenant};
use a0_testkit::{Endpoint, ProofKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::json;

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
    let other_scheme = good.replace("Basic", "Bearer");
    let cc = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example%2F&scope=a+b";
    let post = format!("{cc}&client_id=client&client_secret=se%3Acret");
    let cases: [(Option<&str>, &str, u16, &str); 14] = [
        (None, &post, 200, ""),
        (Some(&good), cc, 200, ""),
        (Some(&bad), cc, 401, "invalid_client"),
        (Some("Bearer x"), cc, 401, "invalid_client"),
        (Some(&other_scheme), cc, 401, "invalid_client"),
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
            "grant_type=client_credentials&resource=%2Frelative",
            400,
            "invalid_target",
        ),
        (
            Some(&good),
            "grant_type=client_credentials&resource=https%3A%2F%2Fapi.example%2F%23x",
            400,
            "invalid_target",
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
        let response = tenant.handle(token_request(&headers, body)).unwrap();
        let json = json_of(&response);
        assert_eq!(response.status(), status, "{body}: {json}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let challenged = response.headers().contains_key("www-authenticate");
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
