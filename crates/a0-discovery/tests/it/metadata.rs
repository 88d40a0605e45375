//! Metadata in which a name comes twice, or whose values cannot be read.

use crate::common::{at, cache_of, keys_of};
use a0_discovery::{FetchFailure, IssuerKeys, Metadata, TokenEndpointError, normalize_domain};
use a0_testkit::{Endpoint, Fault, LocalTenant};
use std::sync::Arc;

/// A tenant whose metadata begins with `members`.
fn tenant_with(members: &str) -> LocalTenant {
    let tenant = LocalTenant::new("a.example").unwrap();
    let body = tenant.metadata().to_string();
    let body = body.replacen('{', &format!("{{{members},"), 1);
    tenant.misbehave(
        Endpoint::Discovery,
        Fault::body(200, "application/json", body),
    );
    tenant
}

fn keys_with(members: &str) -> Result<Arc<IssuerKeys>, FetchFailure> {
    let tenant = tenant_with(members);
    let keys = keys_of(&cache_of(&tenant), &tenant, 0);
    keys.map_err(|error| error.error.failure().clone())
}

fn token_endpoint_with(members: &str) -> Result<String, TokenEndpointError> {
    let tenant = tenant_with(members);
    cache_of(&tenant).token_endpoint(&normalize_domain("a.example").unwrap(), at(0))
}

const OWN_ISSUER: &str = r#""issuer":"https://a.example/""#;
const OWN_KEYS: &str = r#""jwks_uri":"https://a.example/.well-known/jwks.json""#;
const OWN_ENDPOINT: &str = r#""token_endpoint":"https://a.example/oauth/token""#;

#[test]
fn a_member_that_nobody_reads_is_no_outage() {
    for (name, members) in [
        (
            "response_types_supported",
            r#""response_types_supported":["token"]"#,
        ),
        ("x", r#""x":1,"x":2"#),
        ("x", r#""x":1,"\u0078":2"#),
        ("x", r#""x":1,"x":1,"x":1"#),
        ("x", r#""x":{"a":1,"a":2}"#),
        ("x", r#""x":[{"b":{"a":1,"a":2}}]"#),
        ("x", r#""x":1e999"#),
        ("x", r#""x":[-1e999]"#),
        ("x", r#""x":"\ud800""#),
    ] {
        let keys = keys_with(members).expect(members);
        let get = |name| Metadata::get(keys.metadata().unwrap(), name);
        assert_eq!(get(name), None, "{members}");
        assert_eq!(get("issuer").unwrap(), "https://a.example/");
        assert_eq!(
            token_endpoint_with(members).as_deref(),
            Ok("https://a.example/oauth/token"),
            "{members}"
        );
    }
    // A deeply nested value is passed over too.
    let deep = format!(r#""x":{}{}"#, "[".repeat(1000), "]".repeat(1000));
    assert!(
        keys_with(&deep)
            .unwrap()
            .metadata()
            .unwrap()
            .get("x")
            .is_none()
    );
    // A member that comes once is there, whatever is in it.
    for (members, value) in [
        (r#""x":null"#, "null"),
        (
            r#""x":{"a":{"b":[1,-2,0.5,"c",true]}}"#,
            r#"{"a":{"b":[1,-2,0.5,"c",true]}}"#,
        ),
        (r#""x":[{"a":1},{"a":2}]"#, r#"[{"a":1},{"a":2}]"#),
        (r#""x":{},"X":1"#, "{}"),
    ] {
        let keys = keys_with(members).expect(members);
        assert_eq!(
            keys.metadata().unwrap().get("x").unwrap().to_string(),
            value
        );
    }
    assert!(
        keys_with(r#""x":1"#)
            .unwrap()
            .metadata()
            .unwrap()
            .get("y")
            .is_none()
    );
}

/// They are refused even if both say the same.
#[test]
fn a_member_that_is_read_comes_once() {
    for (name, members) in [
        ("issuer", OWN_ISSUER),
        ("issuer", r#""issuer":"https://evil.example/""#),
        ("issuer", r#""\u0069ssuer":null"#),
        ("jwks_uri", OWN_KEYS),
        ("jwks_uri", r#""jwks_uri":"https://evil.example/keys""#),
        ("jwks_uri", r#""jwks_uri":null"#),
    ] {
        let failure = keys_with(members).map(|_| ()).unwrap_err();
        assert_eq!(failure, FetchFailure::UnreadableMember(name), "{members}");
    }
    // Verification does not read the token endpoint, and a client flow does not read the keys' URL.
    let keys = keys_with(OWN_ENDPOINT).unwrap();
    assert!(keys.metadata().unwrap().get("token_endpoint").is_none());
    assert!(token_endpoint_with(OWN_KEYS).is_ok());
    for members in [
        OWN_ENDPOINT,
        r#""token_endpoint":"https://evil.example/""#,
        r#""token_endpoint":null"#,
    ] {
        let outcome = token_endpoint_with(members);
        assert_eq!(outcome, Err(TokenEndpointError::Unreadable), "{members}");
    }
    let Err(TokenEndpointError::Unavailable(error)) = token_endpoint_with(OWN_ISSUER) else {
        panic!("two issuers");
    };
    assert_eq!(
        *error.error.failure(),
        FetchFailure::UnreadableMember("issuer")
    );
}

/// A member that is read and cannot be is not taken for an absent one.
#[test]
fn a_member_that_is_read_has_one_meaning() {
    let tenant = LocalTenant::new("a.example").unwrap();
    for (name, value) in [
        ("issuer", r#"{"a":1,"a":2}"#),
        ("issuer", r#""\ud800""#),
        ("issuer", "1e999"),
        ("jwks_uri", r#"[{"a":1,"a":2}]"#),
        ("jwks_uri", "1e999"),
        ("token_endpoint", r#"{"a":1,"a":2}"#),
    ] {
        let mut metadata = tenant.metadata();
        metadata[name] = "here".into();
        let body = metadata.to_string().replace(r#""here""#, value);
        tenant.misbehave(
            Endpoint::Discovery,
            Fault::body(200, "application/json", body),
        );
        let issuer = normalize_domain("a.example").unwrap();
        let endpoint = cache_of(&tenant).token_endpoint(&issuer, at(0));
        let keys = keys_of(&cache_of(&tenant), &tenant, 0).map(|_| ());
        let keys = keys.map_err(|error| error.error.failure().clone());
        match name {
            "token_endpoint" => {
                assert_eq!(keys, Ok(()));
                assert_eq!(endpoint, Err(TokenEndpointError::Unreadable));
            }
            name => {
                assert_eq!(keys, Err(FetchFailure::UnreadableMember(name)), "{value}");
                assert_eq!(endpoint.is_ok(), name == "jwks_uri");
            }
        }
    }
}

#[test]
fn a_document_that_is_no_json_object_is_refused_as_a_whole() {
    for body in [
        "",
        "null",
        "[]",
        "{",
        "{}{}",
        r#"{"issuer":"https://a.example/"]"#,
        r#"{"issuer":"https://a.example/",}"#,
        r#"{"issuer":nope}"#,
        "\u{feff}{}",
    ] {
        let tenant = LocalTenant::new("a.example").unwrap();
        tenant.misbehave(
            Endpoint::Discovery,
            Fault::body(200, "application/json", body),
        );
        let outcome = keys_of(&cache_of(&tenant), &tenant, 0);
        let failure = outcome.unwrap_err().error;
        assert_eq!(*failure.failure(), FetchFailure::NotAnObject, "{body}");
    }
    let tenant = LocalTenant::new("a.example").unwrap();
    let latin: &[u8] = b"{\"issuer\":\"https://a.example/\",\"x\":\"\xe9\"}";
    tenant.misbehave(
        Endpoint::Discovery,
        Fault::body(200, "application/json", latin),
    );
    let failure = keys_of(&cache_of(&tenant), &tenant, 0).unwrap_err().error;
    assert_eq!(*failure.failure(), FetchFailure::NotAnObject);
}
