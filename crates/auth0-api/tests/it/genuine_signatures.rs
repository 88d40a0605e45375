//! Texts that the tenant's own keys signed, and that are no access tokens for this API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_testkit::{AccessTokenBuilder, LocalTenant, ProofKey};
use auth0_api::{ApiClient, Builder, RequestContext};
use serde_json::json;

const AUDIENCE: &str = "https://api.example/";
const CLIENT: &str = "the-client-id";
const NOW: Duration = Duration::from_secs(1_700_000_000);

fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(UNIX_EPOCH + NOW);
    tenant
}

fn builder(tenant: &LocalTenant, now: SystemTime) -> Builder {
    ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .clock(move || now)
}

fn api(tenant: &LocalTenant) -> ApiClient {
    builder(tenant, UNIX_EPOCH + NOW).build().unwrap()
}

fn refusal(api: &ApiClient, token: AccessTokenBuilder) -> (u16, String) {
    let token = token.mint().unwrap();
    let error = api.verify_access_token(&token).unwrap_err();
    (error.status_code().as_u16(), error.error_description())
}

#[test]
fn tokens_of_other_kinds_are_no_access_tokens() {
    let tenant = tenant();
    let api = api(&tenant);
    let token = || tenant.access_token().audience(AUDIENCE);
    // An ID token (OpenID Connect Core section 2): its audience is the client.
    let id_token = || {
        let token = token().audience(CLIENT).without_claim("scope");
        let token = token
            .claim("nonce", "n")
            .claim("at_hash", "h")
            .claim("email", "a@b.example");
        token.claim("auth_time", 1_700_000_000).header("typ", "JWT")
    };
    // A client assertion (RFC 7523 section 3): from the client about itself, to the issuer.
    let assertion = || {
        let token = token().audience(tenant.issuer()).claim("iss", CLIENT);
        token.claim("sub", CLIENT).claim("jti", "j")
    };
    let typed = |typ: &str| token().header("typ", typ);
    let event = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for (what, token, description) in [
        ("ID token", id_token(), "Audience mismatch"),
        (
            "ID token for several clients",
            id_token()
                .claim("aud", json!([CLIENT, "other"]))
                .claim("azp", CLIENT),
            "Audience mismatch",
        ),
        (
            "client assertion",
            assertion(),
            "Token issuer does not match the discovery issuer",
        ),
        (
            "client assertion that names the issuer",
            assertion().claim("iss", tenant.issuer()),
            "Audience mismatch",
        ),
        (
            "client assertion with its own type",
            typed("client-authentication+jwt"),
            "Unexpected JWT 'typ'",
        ),
        ("DPoP proof", typed("dpop+jwt"), "Unexpected JWT 'typ'"),
        (
            "logout token",
            typed("logout+jwt").claim("events", event.clone()),
            "Unexpected JWT 'typ'",
        ),
        (
            "logout token without a type",
            token().audience(CLIENT).claim("events", event),
            "Audience mismatch",
        ),
        (
            "security event token",
            typed("secevent+jwt"),
            "Unexpected JWT 'typ'",
        ),
        (
            "introspection response",
            typed("token-introspection+jwt"),
            "Unexpected JWT 'typ'",
        ),
    ] {
        let expected = (401, description.to_owned());
        assert_eq!(refusal(&api, token), expected, "{what}");
    }
    assert_eq!(tenant.requests().len(), 0, "nothing was fetched");
}

#[test]
fn a_signature_that_is_not_decoded_causes_no_request() {
    let tenant = tenant();
    let api = api(&tenant);
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    for end in ["=", "==", ", x", " x", "!", "AAA"] {
        let field = format!("Bearer {token}{end}");
        let request = RequestContext::new()
            .method("GET")
            .url("https://api.example/")
            .header("authorization", field);
        let error = api.verify_request(request).unwrap_err();
        assert_eq!(error.status_code().as_u16(), 401, "{end:?}");
        let description = error.error_description();
        let expected = "Failed to parse token: the signature is not base64url";
        assert_eq!(description, expected, "{end:?}");
    }
    assert_eq!(tenant.requests().len(), 0, "nothing was fetched");
    assert!(api.verify_access_token(&token).is_ok());
}

#[test]
fn a_clock_before_1970_accepts_no_proof_of_today_and_does_not_panic() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let token = tenant.access_token().audience(AUDIENCE).bound_to(&key);
    let token = token.mint().unwrap();
    for before in [Duration::from_millis(1), Duration::from_secs(1 << 40)] {
        let Some(now) = UNIX_EPOCH.checked_sub(before) else {
            continue;
        };
        let api = builder(&tenant, now).build().unwrap();
        assert!(
            api.verify_access_token(&token).is_ok(),
            "it has not expired"
        );
        let url = "https://api.example/orders";
        let proof = key.proof("GET", url).for_token(&token).mint().unwrap();
        let request = RequestContext::new()
            .method("GET")
            .url(url)
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof);
        let error = api.verify_request(request).unwrap_err();
        assert_eq!(
            error.error_description(),
            "DPoP Proof iat is from the future"
        );
    }
}
