//! Token Vault for a privileged worker, and resources of a token exchange.

use a0_testkit::LocalTenant;
use auth0_api::jose::unverified_payload;
use auth0_api::token_exchange::RequestError;
use auth0_api::{ClientFlowError, ErrorKind, TokenExchange, WorkerToken};
use serde_json::{Value, json};

use super::exchange::{DOWNSTREAM, ID, PROFILE, token_requests, world};
use super::{Driver, NOW, builder};

/// A worker's token as any JWT library makes it. Only the tenant would verify its signature.
fn worker_jwt(tenant: &LocalTenant, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": ID,
        "sub": "auth0|ada",
        "aud": tenant.issuer(),
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "1",
        "audit_context": "nightly sync",
    });
    change(&mut claims);
    let token = tenant.access_token().header("typ", "token-vault-req+jwt");
    let token = ["scope", "gty", "azp", "nbf"]
        .iter()
        .fold(token, |token, name| token.without_claim(name));
    let members = claims.as_object().unwrap().clone();
    let token = members
        .into_iter()
        .fold(token, |token, (name, value)| token.claim(&name, value));
    token.mint().unwrap()
}

pub fn a_worker_names_the_user_by_a_signed_jwt<D: Driver>() {
    let world = world::<D>(|builder| builder);
    let subject = worker_jwt(&world.tenant, |_| ());
    let request = WorkerToken::new("google-oauth2", &subject);
    let token = world
        .client
        .get_access_token_for_connection_as_worker(&request);
    let token = token.unwrap();
    assert_eq!(token.access_token(), "google-oauth2:auth0|ada");
    assert_eq!(token.scope(), Some(""));
    let request = request.scope("calendar.read");
    let token = world
        .client
        .get_access_token_for_connection_as_worker(&request);
    assert_eq!(token.unwrap().scope(), Some("calendar.read"));

    let forms: Vec<_> = token_requests(&world.tenant);
    let expected: Vec<(String, String)> = [
        (
            "grant_type",
            "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
        ),
        ("subject_token", &*subject),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        (
            "requested_token_type",
            "http://auth0.com/oauth/token-type/token-vault-access-token",
        ),
        ("connection", "google-oauth2"),
        ("scope", "calendar.read"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(forms[0].form(), expected[..5]);
    assert_eq!(forms[1].form(), expected);
    assert!(forms[0].headers().contains_key("authorization"));
}

pub fn a_token_that_is_no_workers_token_for_this_tenant_is_not_sent<D: Driver>() {
    let world = world::<D>(|builder| builder.same_tenant(["canonical.example"]));
    let tenant = &world.tenant;
    let own = tenant.issuer().to_owned();
    let with_audience = |audience: Value| worker_jwt(tenant, |claims| claims["aud"] = audience);
    let access_token = world.token().mint().unwrap();
    let kind = ErrorKind::GetAccessTokenForConnection;
    for subject in [
        with_audience(json!("https://other.example/")),
        with_audience(json!("https://tenant.example")),
        with_audience(json!([own, "https://other.example/"])),
        with_audience(json!([])),
        with_audience(json!([[own]])),
        with_audience(json!(null)),
        access_token,
        "opaque".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
    ] {
        let request = WorkerToken::new("google-oauth2", &subject);
        let error = world
            .client
            .get_access_token_for_connection_as_worker(&request);
        let error = error.unwrap_err();
        assert_eq!(
            *error.kind(),
            kind(ClientFlowError::OtherAudience),
            "{subject}"
        );
        assert_eq!(error.status_code(), 400);
        assert!(!format!("{error} {error:?}").contains(&subject));
    }
    let good = with_audience(json!(own));
    for (connection, subject, expected) in [
        ("", &*good, None),
        ("google-oauth2", "", None),
        (
            "google-oauth2",
            " ",
            Some(RequestError::Blank("subject_token")),
        ),
        (
            "google-oauth2",
            &*format!("Bearer {good}"),
            Some(RequestError::BearerPrefix("subject_token")),
        ),
        (
            "google-oauth2",
            &*format!("{good}\n"),
            Some(RequestError::Whitespace("subject_token")),
        ),
    ] {
        let request = WorkerToken::new(connection, subject);
        let error = world
            .client
            .get_access_token_for_connection_as_worker(&request);
        match (expected, error.unwrap_err().kind()) {
            (None, ErrorKind::MissingRequiredArgument { .. }) => {}
            (Some(expected), found) => {
                assert_eq!(*found, kind(ClientFlowError::Request(expected)));
            }
            (None, found) => panic!("{found:?}"),
        }
    }
    assert!(token_requests(tenant).is_empty());
    // The tenant's other domains are the same audience; the tenant judges the rest.
    for subject in [
        with_audience(json!([own])),
        with_audience(json!("https://canonical.example/")),
    ] {
        let request = WorkerToken::new("google-oauth2", &subject);
        let error = world
            .client
            .get_access_token_for_connection_as_worker(&request);
        assert!(matches!(error.unwrap_err().kind(), ErrorKind::Api(_)));
    }
    assert_eq!(token_requests(tenant).len(), 2);

    let bare = LocalTenant::new("tenant.example").unwrap();
    let client = D::build(builder::<D>(&bare)).unwrap();
    let error = client.get_access_token_for_connection_as_worker(&WorkerToken::new("g", &good));
    let expected = kind(ClientFlowError::NoCredentials);
    assert_eq!(*error.unwrap_err().kind(), expected);
}

pub fn rfc8707_2_resources_are_sent_one_by_one<D: Driver>() {
    let world = world::<D>(|builder| builder);
    let resource = "https://downstream.example/a?b=%20c";
    let request = TokenExchange::new("subject", PROFILE).resource(resource);
    let response = world
        .client
        .get_token_by_exchange_profile(&request)
        .unwrap();
    let claims = unverified_payload(response.access_token(), 16_384).unwrap();
    assert_eq!(claims["aud"], resource);
    // Auth0 checks the audience first.
    let response = world
        .client
        .get_token_by_exchange_profile(&request.clone().audience(DOWNSTREAM))
        .unwrap();
    let claims = unverified_payload(response.access_token(), 16_384).unwrap();
    assert_eq!(claims["aud"], DOWNSTREAM);
    let two = request.clone().resource("urn:example:b").resource("");
    let error = world
        .client
        .get_token_by_exchange_profile(&two)
        .unwrap_err();
    assert_eq!(error.error_code(), "invalid_target");
    let sent = token_requests(&world.tenant).pop().unwrap().form();
    let resources: Vec<_> = sent
        .iter()
        .filter(|(name, _)| name == "resource")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(resources, [resource, "urn:example:b"]);
    // Reserved names stay reserved.
    let extra = TokenExchange::new("subject", PROFILE).extra("Resource", resource);
    let error = world
        .client
        .get_token_by_exchange_profile(&extra)
        .unwrap_err();
    let expected = ClientFlowError::Request(RequestError::ReservedParameter("resource"));
    assert_eq!(
        *error.kind(),
        ErrorKind::GetTokenByExchangeProfile(expected)
    );
    let invalid = TokenExchange::new("subject", PROFILE).resource("https://a.example/#b");
    let error = world
        .client
        .get_token_by_exchange_profile(&invalid)
        .unwrap_err();
    let expected = ClientFlowError::Request(RequestError::Resource);
    assert_eq!(
        *error.kind(),
        ErrorKind::GetTokenByExchangeProfile(expected)
    );
    assert_eq!(token_requests(&world.tenant).len(), 3);
}
