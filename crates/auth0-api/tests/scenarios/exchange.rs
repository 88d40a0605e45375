//! Requests to the token endpoint and its responses: token exchange, on behalf of a user, Token Vault.

use std::io;

use a0_testkit::{Endpoint, Fault, LocalTenant, RecordedRequest};
use auth0_api::jose::unverified_payload;
use auth0_api::token_exchange::RequestError;
use auth0_api::{
    ApiClient, ApiError, Builder, ClientAuth, ClientFlowError, ConnectionToken, Error, ErrorKind,
    OnBehalfOf, TokenExchange,
};

use super::{Driver, World, builder};

pub const ID: &str = "my client";
pub const SECRET: &str = "canary:secret%&";
pub const DOWNSTREAM: &str = "https://downstream.example/";
pub const PROFILE: &str = "urn:example:legacy";

/// A world whose client has credentials for the token endpoint.
pub fn world<D: Driver>(options: impl FnOnce(Builder) -> Builder) -> World<D> {
    let world = World::with(|builder| options(builder.client_id(ID).client_secret(SECRET)));
    world.tenant.register_client(ID, SECRET);
    world
}

/// The requests that the token endpoint received.
pub fn token_requests(tenant: &LocalTenant) -> Vec<RecordedRequest> {
    let requests = tenant.requests().into_iter();
    requests
        .filter(|request| request.endpoint() == Some(Endpoint::Token))
        .collect()
}

pub fn exchange<D: Driver>(world: &World<D>) -> Result<(), Error> {
    let request = TokenExchange::new("subject", PROFILE).audience(DOWNSTREAM);
    world
        .client
        .get_token_by_exchange_profile(&request)
        .map(|_| ())
}

pub fn each_flow_sends_its_form_and_the_credentials<D: Driver>() {
    let world = world::<D>(|builder| builder);
    let subject = world.token().subject("auth0|ada").mint().unwrap();
    let request = TokenExchange::new(&subject, PROFILE)
        .audience(DOWNSTREAM)
        .scope("read:a read:b")
        .requested_token_type("urn:example:wanted")
        .organization("org_1")
        .actor("actor", "urn:example:actor")
        .extra("device", "kiosk & co");
    let response = world
        .client
        .get_token_by_exchange_profile(&request)
        .unwrap();
    assert_eq!(response.scope(), Some("read:a read:b"));
    assert_eq!(response.token_type(), Some("Bearer"));
    assert_eq!(response.refresh_token(), None);
    let claims = unverified_payload(response.access_token(), 16_384).unwrap();
    assert_eq!(claims["sub"], "auth0|ada");
    assert_eq!(claims["act"]["sub"], ID);

    let request = OnBehalfOf::new(&subject, DOWNSTREAM).scope("read:a");
    let token = world.client.get_token_on_behalf_of(&request).unwrap();
    assert_eq!(token.scope(), Some("read:a"));
    let now = super::NOW.unsigned_abs();
    assert_eq!(token.expires_at(), now + token.expires_in());

    let request = ConnectionToken::new("github", &subject).login_hint("ada@example");
    let token = world
        .client
        .get_access_token_for_connection(&request)
        .unwrap();
    assert_eq!(token.access_token(), "github:ada@example");
    assert_eq!(token.scope(), Some(""));

    let expected = [
        vec![
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", &subject),
            ("subject_token_type", PROFILE),
            ("audience", DOWNSTREAM),
            ("scope", "read:a read:b"),
            ("requested_token_type", "urn:example:wanted"),
            ("organization", "org_1"),
            ("actor_token", "actor"),
            ("actor_token_type", "urn:example:actor"),
            ("device", "kiosk & co"),
        ],
        vec![
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", &subject),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", DOWNSTREAM),
            ("scope", "read:a"),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
        ],
        vec![
            ("connection", "github"),
            (
                "requested_token_type",
                "http://auth0.com/oauth/token-type/federated-connection-access-token",
            ),
            (
                "grant_type",
                "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token",
            ),
            ("subject_token", &subject),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("login_hint", "ada@example"),
        ],
    ];
    let sent = token_requests(&world.tenant);
    assert_eq!(sent.len(), expected.len());
    // my+client:canary%3Asecret%25%26
    let basic = "bXkrY2xpZW50OmNhbmFyeSUzQXNlY3JldCUyNSUyNg==";
    for (request, expected) in sent.iter().zip(expected) {
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(request.form(), expected);
        let fields = request.headers();
        assert_eq!(fields["authorization"], format!("Basic {basic}"));
        assert_eq!(fields["content-type"], "application/x-www-form-urlencoded");
        assert!(fields.get("dpop").is_none());
    }
    // The metadata was fetched once, and no keys.
    assert_eq!(world.fetches(), (1, 0));
}

pub fn client_auth_selects_the_authentication_method<D: Driver>() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.register_client(ID, SECRET);
    let auth = ClientAuth::post(ID, SECRET).unwrap();
    let client = D::build(builder::<D>(&tenant).client_auth(auth)).unwrap();
    let world = World { tenant, client };
    assert!(exchange(&world).is_ok());
    let sent = token_requests(&world.tenant).remove(0);
    assert!(sent.headers().get("authorization").is_none());
    assert!(
        sent.form()
            .contains(&("client_secret".into(), SECRET.into()))
    );
}

pub fn an_invalid_token_request_is_not_sent<D: Driver>() {
    use ClientFlowError::Request;
    use ErrorKind::{GetTokenByExchangeProfile, MissingRequiredArgument};
    use auth0_api::ArgumentSource;
    let world = world::<D>(|builder| builder);
    let new = TokenExchange::new;
    for (request, expected) in [
        (
            new("", PROFILE),
            MissingRequiredArgument {
                argument: "subject_token",
                source: ArgumentSource::Call,
            },
        ),
        (
            new("a", ""),
            MissingRequiredArgument {
                argument: "subject_token_type",
                source: ArgumentSource::Call,
            },
        ),
        (
            new(" ", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::Blank("subject_token"))),
        ),
        (
            new("a ", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::Whitespace("subject_token"))),
        ),
        (
            new("BEARER a", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::BearerPrefix("subject_token"))),
        ),
        (
            new("a", PROFILE).extra("Client_ID", "x"),
            GetTokenByExchangeProfile(Request(RequestError::ReservedParameter("client_id"))),
        ),
        (
            new("a", PROFILE).extra_list("x", ["y"; 21]),
            GetTokenByExchangeProfile(Request(RequestError::TooManyValues("x".into()))),
        ),
        (
            new("a", PROFILE).actor("b", ""),
            GetTokenByExchangeProfile(Request(RequestError::ActorPair)),
        ),
    ] {
        let error = world
            .client
            .get_token_by_exchange_profile(&request)
            .unwrap_err();
        assert_eq!(*error.kind(), expected);
        assert_eq!(error.status_code(), 400);
        assert!(
            error.challenges().is_empty(),
            "the error does not answer a request"
        );
    }
    for (request, argument) in [
        (OnBehalfOf::new("", DOWNSTREAM), "subject_token"),
        (OnBehalfOf::new("a", ""), "audience"),
    ] {
        let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
        assert_eq!(
            *error.kind(),
            MissingRequiredArgument {
                argument,
                source: ArgumentSource::Call
            }
        );
    }
    for (request, argument) in [
        (ConnectionToken::new("", "a"), "connection"),
        (ConnectionToken::new("github", ""), "access_token"),
    ] {
        let error = world
            .client
            .get_access_token_for_connection(&request)
            .unwrap_err();
        assert_eq!(
            *error.kind(),
            MissingRequiredArgument {
                argument,
                source: ArgumentSource::Call
            }
        );
    }
    assert!(world.tenant.requests().is_empty());

    // A client without complete credentials sends nothing either.
    let with = |options: fn(Builder) -> Builder| World::<D>::with(options);
    for world in [
        with(|builder| builder),
        with(|builder| builder.client_id(ID)),
        with(|builder| builder.client_secret(SECRET)),
        with(|builder| builder.client_id(ID).client_secret("")),
        with(|builder| builder.client_id("").client_secret(SECRET)),
    ] {
        let error = exchange(&world).unwrap_err();
        assert_eq!(
            *error.kind(),
            GetTokenByExchangeProfile(ClientFlowError::NoCredentials)
        );
        assert_eq!(error.error_code(), "get_token_by_exchange_profile_error");
        assert!(
            error
                .error_description()
                .starts_with("Client credentials are required")
        );
        let request = OnBehalfOf::new("a", DOWNSTREAM);
        let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
        assert_eq!(error.error_code(), "get_token_by_exchange_profile_error");
        let request = ConnectionToken::new("github", "a");
        let error = world
            .client
            .get_access_token_for_connection(&request)
            .unwrap_err();
        assert_eq!(error.error_code(), "get_access_token_for_connection_error");
        assert_eq!(error.status_code(), 400);
        assert!(world.tenant.requests().is_empty());
    }
}

pub fn token_endpoint_and_discovery_failures_are_api_errors<D: Driver>() {
    let json = |status, body: &str| Fault::body(status, "application/json", body);
    let refusal = r#"{"error":"invalid_grant","error_description":"canary description"}"#;
    for (fault, status, exchange_code, connection_code) in [
        (json(400, refusal), 400, "invalid_grant", "invalid_grant"),
        (json(403, refusal), 403, "invalid_grant", "invalid_grant"),
        (
            Fault::body(503, "text/json", refusal),
            503,
            "invalid_grant",
            "invalid_grant",
        ),
        (
            Fault::body(429, "text/html", refusal),
            429,
            "invalid_grant",
            "invalid_grant",
        ),
        (
            Fault::body(429, "text/html", "<html>"),
            429,
            "token_exchange_error",
            "connection_token_error",
        ),
        (json(200, refusal), 502, "invalid_grant", "invalid_grant"),
        // A successful status without a token.
        (json(201, refusal), 502, "invalid_grant", "invalid_grant"),
        (
            json(204, ""),
            502,
            "token_exchange_error",
            "connection_token_error",
        ),
        (
            json(500, "{"),
            500,
            "token_exchange_error",
            "connection_token_error",
        ),
        (
            Fault::redirect("https://evil.example/"),
            502,
            "invalid_response",
            "invalid_response",
        ),
        (json(200, "<html>"), 502, "invalid_json", "invalid_json"),
        (json(200, "[]"), 502, "invalid_json", "invalid_json"),
        (json(200, "{}"), 502, "invalid_response", "invalid_response"),
        (
            json(200, r#"{"access_token":"a","expires_in":-1}"#),
            502,
            "invalid_response",
            "invalid_response",
        ),
        (
            Fault::endless_body(),
            502,
            "invalid_response",
            "invalid_response",
        ),
        (
            Fault::transport(io::ErrorKind::ConnectionRefused),
            502,
            "network_error",
            "network_error",
        ),
        (
            Fault::transport(io::ErrorKind::TimedOut),
            504,
            "timeout_error",
            "timeout_error",
        ),
    ] {
        let world = world::<D>(|builder| builder);
        world.tenant.misbehave(Endpoint::Token, fault.clone());
        let own = exchange(&world).unwrap_err();
        let request = ConnectionToken::new("github", "a");
        let connection = world
            .client
            .get_access_token_for_connection(&request)
            .unwrap_err();
        for (error, code) in [(own, exchange_code), (connection, connection_code)] {
            let ErrorKind::Api(api) = error.kind() else {
                panic!("{error:?}")
            };
            assert_eq!(api.endpoint_status(), status, "{fault:?}");
            // A refusal of this client is no refusal of its caller.
            let answer = if code == "timeout_error" { 504 } else { 502 };
            assert_eq!(error.status_code(), answer, "{fault:?}");
            assert_eq!(api.status_code(), answer, "{fault:?}");
            assert_eq!(error.error_code(), code, "{fault:?}");
            assert!(error.challenges().is_empty() && error.headers().is_empty());
            assert!(!format!("{error} {error:?}").contains("canary"));
            let described = api.endpoint_description();
            assert_eq!(described.is_some(), code == "invalid_grant");
        }
        assert!(world.tenant.refused().is_empty(), "no redirect is followed");
    }
    for (fault, status, code) in [
        (Fault::status(500), 502, "invalid_response"),
        (json(200, "[]"), 502, "invalid_response"),
        (
            Fault::transport(io::ErrorKind::ConnectionRefused),
            502,
            "network_error",
        ),
        (
            Fault::transport(io::ErrorKind::TimedOut),
            504,
            "timeout_error",
        ),
    ] {
        let world = world::<D>(|builder| builder);
        world.tenant.misbehave(Endpoint::Discovery, fault);
        let error = exchange(&world).unwrap_err();
        let ErrorKind::Api(api @ ApiError::Discovery(_)) = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(api.endpoint_status(), status);
        assert_eq!(
            (error.status_code().as_u16(), error.error_code()),
            (status, code)
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}

pub fn no_error_or_debug_output_contains_a_credential<D: Driver>() {
    let canaries = [
        SECRET,
        "canary-subject",
        "canary-actor",
        "canary-access",
        "canary-refresh",
    ];
    let assert_clean = |text: String| {
        for canary in canaries {
            assert!(!text.contains(canary), "{text}");
        }
    };
    let builder = ApiClient::builder().client_id(ID).client_secret(SECRET);
    assert_clean(format!("{builder:?}"));
    assert_clean(format!("{:?}", ClientAuth::basic(ID, SECRET).unwrap()));
    let world = world::<D>(|builder| builder.obo_cache(10));
    let subject = "canary-subject";
    let request = TokenExchange::new(subject, PROFILE).actor("canary-actor", "urn:example:a");
    assert_clean(format!("{request:?}"));
    let echo = format!(r#"{{"error":"{subject}","error_description":"{SECRET} canary-actor"}}"#);
    let valid = r#"{"access_token":"canary-access","refresh_token":"canary-refresh"}"#;
    let json = |status, body: &str| Fault::body(status, "application/json", body);
    for fault in [
        json(400, &echo),
        json(200, &echo),
        json(
            200,
            r#"{"access_token":"canary-access","expires_in":"canary-refresh"}"#,
        ),
        Fault::transport(io::ErrorKind::TimedOut),
    ] {
        world.tenant.misbehave(Endpoint::Token, fault);
        let error = world
            .client
            .get_token_by_exchange_profile(&request)
            .unwrap_err();
        assert_clean(format!("{error} {error:?} {}", error.error_description()));
        let mut source = std::error::Error::source(&error);
        let has_cause = error.error_code() == "timeout_error";
        assert_eq!(source.is_some(), has_cause);
        while let Some(cause) = source {
            assert_clean(format!("{cause} {cause:?}"));
            source = cause.source();
        }
        let request = OnBehalfOf::new(subject, DOWNSTREAM);
        let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
        assert_clean(format!("{error} {error:?}"));
    }
    world.tenant.misbehave(Endpoint::Token, json(200, valid));
    let response = world
        .client
        .get_token_by_exchange_profile(&request)
        .unwrap();
    assert_eq!(response.refresh_token(), Some("canary-refresh"));
    assert_clean(format!("{response:?}"));
}
