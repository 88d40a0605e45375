//! Tokens for other APIs: exchanges, on behalf of a user, Token Vault.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant, RecordedRequest};
use auth0_api::discovery::TokenEndpointError;
use auth0_api::jose::{SigningKey, unverified_payload};
use auth0_api::token_exchange::{ExchangeError, InvalidResponse, RequestError};
use auth0_api::transport::TransportErrorKind;
use auth0_api::{
    ApiClient, ApiError, Builder, ClientAuth, ClientFlowError, ConnectionToken, Error, ErrorKind,
    OnBehalfOf, TokenExchange,
};

use super::{AUDIENCE, Driver, World, builder};

const ID: &str = "my client";
const SECRET: &str = "canary:secret%&";
const DOWNSTREAM: &str = "https://downstream.example/";
const PROFILE: &str = "urn:example:legacy";

fn world<D: Driver>(options: impl FnOnce(Builder) -> Builder) -> World<D> {
    let world = World::with(|builder| options(builder.client_id(ID).client_secret(SECRET)));
    world.tenant.register_client(ID, SECRET);
    world
}

fn token_requests(tenant: &LocalTenant) -> Vec<RecordedRequest> {
    let requests = tenant.requests().into_iter();
    requests
        .filter(|request| request.endpoint() == Some(Endpoint::Token))
        .collect()
}

fn exchange<D: Driver>(world: &World<D>) -> Result<(), Error> {
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
    // The endpoint was looked up once, and no key was asked for.
    assert_eq!(world.fetches(), (1, 0));
}

pub fn other_ways_to_authenticate_are_an_option<D: Driver>() {
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

pub fn nothing_is_sent_for_what_cannot_be_asked<D: Driver>() {
    use ClientFlowError::Request;
    use ErrorKind::{GetTokenByExchangeProfile, MissingRequiredArgument};
    use auth0_api::ArgumentSource;
    let world = world::<D>(|builder| builder);
    let of = TokenExchange::new;
    for (request, expected) in [
        (
            of("", PROFILE),
            MissingRequiredArgument {
                argument: "subject_token",
                source: ArgumentSource::Call,
            },
        ),
        (
            of("a", ""),
            MissingRequiredArgument {
                argument: "subject_token_type",
                source: ArgumentSource::Call,
            },
        ),
        (
            of(" ", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::Blank("subject_token"))),
        ),
        (
            of("a ", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::Whitespace("subject_token"))),
        ),
        (
            of("BEARER a", PROFILE),
            GetTokenByExchangeProfile(Request(RequestError::BearerPrefix("subject_token"))),
        ),
        (
            of("a", PROFILE).extra("Client_ID", "x"),
            GetTokenByExchangeProfile(Request(RequestError::ReservedParameter("client_id"))),
        ),
        (
            of("a", PROFILE).extra_list("x", ["y"; 21]),
            GetTokenByExchangeProfile(Request(RequestError::TooManyValues("x".into()))),
        ),
        (
            of("a", PROFILE).actor("b", ""),
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
            "it is no answer to a request"
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

    // Without credentials.
    let bare = |options: fn(Builder) -> Builder| World::<D>::with(options);
    for world in [
        bare(|builder| builder),
        bare(|builder| builder.client_id(ID)),
        bare(|builder| builder.client_secret(SECRET)),
        bare(|builder| builder.client_id(ID).client_secret("")),
        bare(|builder| builder.client_id("").client_secret(SECRET)),
    ] {
        let text = "Client credentials are required";
        let error = exchange(&world).unwrap_err();
        assert_eq!(
            *error.kind(),
            GetTokenByExchangeProfile(ClientFlowError::NoCredentials)
        );
        assert_eq!(error.error_code(), "get_token_by_exchange_profile_error");
        assert!(error.error_description().starts_with(text));
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

pub fn credentials_go_to_the_domains_own_endpoint<D: Driver>() {
    // (token_endpoint in the metadata, what is wrong with it)
    for (endpoint, fault) in [
        (
            Some("https://evil.example/oauth/token"),
            TokenEndpointError::NotAllowed,
        ),
        (
            Some("http://tenant.example/oauth/token"),
            TokenEndpointError::NotAllowed,
        ),
        (
            Some("https://169.254.169.254/"),
            TokenEndpointError::NotAllowed,
        ),
        (None, TokenEndpointError::Missing),
    ] {
        let world = world::<D>(|builder| builder);
        match endpoint {
            Some(endpoint) => world.tenant.set_metadata("token_endpoint", endpoint),
            None => world.tenant.remove_metadata("token_endpoint"),
        }
        let error = exchange(&world).unwrap_err();
        let expected = ClientFlowError::Endpoint(fault.clone());
        assert_eq!(
            *error.kind(),
            ErrorKind::GetTokenByExchangeProfile(expected.clone())
        );
        let request = ConnectionToken::new("github", "a");
        let error = world
            .client
            .get_access_token_for_connection(&request)
            .unwrap_err();
        assert_eq!(
            *error.kind(),
            ErrorKind::GetAccessTokenForConnection(expected)
        );
        assert_eq!(
            world.tenant.refused().len() + token_requests(&world.tenant).len(),
            0
        );
    }
    // Of the domain, whatever issuers are trusted otherwise.
    let network = LocalNetwork::new();
    let [own, other] = ["own.example", "other.example"].map(|d| network.tenant(d).unwrap());
    for tenant in [&own, &other] {
        tenant.register_client(ID, SECRET);
    }
    let builder = ApiClient::builder()
        .domain("own.example")
        .domains(["other.example"])
        .audience(AUDIENCE)
        .client_id(ID)
        .client_secret(SECRET);
    let client = |builder: Builder| D::build(D::http_client(builder, network.client())).unwrap();
    let (strict, builder) = (client(builder.clone()), builder);
    let client = client(builder.same_tenant(["other.example"]));
    let subject = other.access_token().audience(AUDIENCE).mint().unwrap();
    assert!(
        client
            .verify_access_token(&subject, &Default::default())
            .is_ok()
    );
    // Unless it is named, another issuer may be another tenant, and nothing is sent.
    let request = OnBehalfOf::new(&subject, DOWNSTREAM);
    let vault = ConnectionToken::new("github", &subject);
    assert_eq!(
        *strict.get_token_on_behalf_of(&request).unwrap_err().kind(),
        ErrorKind::GetTokenByExchangeProfile(ClientFlowError::OtherIssuer)
    );
    assert_eq!(
        *strict
            .get_access_token_for_connection(&vault)
            .unwrap_err()
            .kind(),
        ErrorKind::GetAccessTokenForConnection(ClientFlowError::OtherIssuer)
    );
    for tenant in [&own, &other] {
        assert_eq!(token_requests(tenant).len(), 0);
    }
    assert!(client.get_token_on_behalf_of(&request).is_ok());
    assert_eq!(token_requests(&own).len(), 1);
    assert_eq!(token_requests(&other).len(), 0);
    // A token whose issuer cannot be read is sent, and the endpoint decides.
    for unreadable in ["opaque", "a.b.c", "e30.e30.AAAA", "e30.eyJpc3MiOjF9.AAAA"] {
        let sent = token_requests(&own).len();
        let request = OnBehalfOf::new(unreadable, DOWNSTREAM);
        let error = strict.get_token_on_behalf_of(&request).err();
        assert!(!error.is_some_and(|error| error.to_string().contains("same_tenant")));
        assert_eq!(token_requests(&own).len(), sent + 1, "{unreadable}");
    }

    // An endpoint elsewhere can be trusted by name, and metadata may name nobody.
    let world = world::<D>(|builder| builder.trusted_endpoints(["https://login.example"]));
    world
        .tenant
        .set_metadata("token_endpoint", "https://login.example/token");
    world.tenant.remove_metadata("issuer");
    let error = exchange(&world).unwrap_err();
    assert_eq!(error.error_code(), "network_error");
    let refused = world.tenant.refused();
    assert_eq!(refused[0].to_string(), "https://login.example/token");
}

/// The metadata that came with the keys serves; an outage of the keys is none of the endpoint's.
pub fn the_endpoint_comes_through_the_same_cache<D: Driver>() {
    let world = world::<D>(|builder| builder);
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_ok());
    assert!(exchange(&world).is_ok());
    assert_eq!(world.fetches(), (1, 1));

    let world = self::world::<D>(|builder| builder);
    world.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    assert!(world.verify(&token).is_err());
    assert!(exchange(&world).is_ok());
}

pub fn what_the_endpoint_or_the_way_to_it_does_is_an_api_error<D: Driver>() {
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
        // No token, and no success either.
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
        assert!(world.tenant.refused().is_empty(), "a redirect was followed");
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

pub fn no_credential_is_in_an_error_or_a_debug_output<D: Driver>() {
    let canaries = [
        SECRET,
        "canary-subject",
        "canary-actor",
        "canary-access",
        "canary-refresh",
    ];
    let clean = |text: String| {
        for canary in canaries {
            assert!(!text.contains(canary), "{text}");
        }
    };
    let builder = ApiClient::builder().client_id(ID).client_secret(SECRET);
    clean(format!("{builder:?}"));
    clean(format!("{:?}", ClientAuth::basic(ID, SECRET).unwrap()));
    let world = world::<D>(|builder| builder.obo_cache(10));
    let subject = "canary-subject";
    let request = TokenExchange::new(subject, PROFILE).actor("canary-actor", "urn:example:a");
    clean(format!("{request:?}"));
    let echo = format!(r#"{{"error":"{subject}","error_description":"{SECRET} canary-actor"}}"#);
    let good = r#"{"access_token":"canary-access","refresh_token":"canary-refresh"}"#;
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
        clean(format!("{error} {error:?} {}", error.error_description()));
        let mut source = std::error::Error::source(&error);
        let has_cause = error.error_code() == "timeout_error";
        assert_eq!(source.is_some(), has_cause);
        while let Some(cause) = source {
            clean(format!("{cause} {cause:?}"));
            source = cause.source();
        }
        let request = OnBehalfOf::new(subject, DOWNSTREAM);
        let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
        clean(format!("{error} {error:?}"));
    }
    world.tenant.misbehave(Endpoint::Token, json(200, good));
    let response = world
        .client
        .get_token_by_exchange_profile(&request)
        .unwrap();
    assert_eq!(response.refresh_token(), Some("canary-refresh"));
    clean(format!("{response:?}"));
}

pub fn rfc9449_5_a_key_binds_the_tokens_of_exchanges<D: Driver>() {
    let key = || SigningKey::generate_es256().unwrap();
    let world = world::<D>(|builder| builder.exchange_dpop_key(key()));
    let nonce = |nonce: &str| {
        Fault::body(400, "application/json", r#"{"error":"use_dpop_nonce"}"#)
            .with_header("dpop-nonce", nonce)
    };
    let proof_of = |request: &RecordedRequest| {
        let proof = request.headers()["dpop"].to_str().unwrap();
        unverified_payload(proof, 16_384).unwrap()
    };
    let subject = world.token().mint().unwrap();
    let request = OnBehalfOf::new(&subject, DOWNSTREAM);
    world
        .tenant
        .misbehave_times(Endpoint::Token, 1, nonce("first"));
    let token = world.client.get_token_on_behalf_of(&request).unwrap();
    assert!(token.is_token_type("DPoP"));
    let claims = unverified_payload(token.access_token(), 16_384).unwrap();
    assert!(claims["cnf"]["jkt"].is_string());
    // One retry, with a new proof; the nonce serves on.
    assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    let proofs: Vec<_> = token_requests(&world.tenant).iter().map(proof_of).collect();
    let nonces: Vec<_> = proofs
        .iter()
        .map(|proof| proof.get("nonce").cloned())
        .collect();
    assert_eq!(nonces, [None, Some("first".into()), Some("first".into())]);
    let mut ids: Vec<_> = proofs
        .iter()
        .map(|proof| proof["jti"].to_string())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    for proof in &proofs {
        assert_eq!(proof["htm"], "POST");
        assert_eq!(proof["htu"], "https://tenant.example/oauth/token");
        assert!(proof.get("ath").is_none());
    }

    // The other flow remembers a nonce too, which is that endpoint's alone.
    let world = self::world::<D>(|builder| builder.exchange_dpop_key(key()));
    world
        .tenant
        .misbehave_times(Endpoint::Token, 1, nonce("first"));
    let profile = TokenExchange::new(&subject, PROFILE).audience(DOWNSTREAM);
    let last_proof = || proof_of(&token_requests(&world.tenant).pop().unwrap());
    for _ in 0..2 {
        assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    }
    assert_eq!(last_proof()["nonce"], "first");
    assert_eq!(token_requests(&world.tenant).len(), 3);
    let moved = "https://tenant.example/oauth/token?moved";
    world.tenant.set_metadata("token_endpoint", moved);
    world.advance(300);
    assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    while D::SERVES_STALE && last_proof().get("nonce").is_some() {
        assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    }
    assert!(last_proof().get("nonce").is_none());

    // An endpoint that always wants another is asked twice.
    world.tenant.reset_requests();
    world.tenant.misbehave(Endpoint::Token, nonce("again"));
    let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
    assert_eq!(error.error_code(), "use_dpop_nonce");
    assert_eq!(token_requests(&world.tenant).len(), 2);

    // A token that is not bound is not what was asked for.
    let bearer = r#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#;
    let bearer = Fault::body(200, "application/json", bearer);
    world.tenant.misbehave(Endpoint::Token, bearer);
    let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
    let not_bound = ExchangeError::InvalidResponse(InvalidResponse::NotBound);
    assert_eq!(*error.kind(), ErrorKind::Api(ApiError::Exchange(not_bound)));

    // Tokens of other providers are not bound, and no proof is sent for them.
    world.tenant.recover(Endpoint::Token);
    world.tenant.reset_requests();
    let request = ConnectionToken::new("github", &subject);
    assert!(
        world
            .client
            .get_access_token_for_connection(&request)
            .is_ok()
    );
    assert!(
        token_requests(&world.tenant)[0]
            .headers()
            .get("dpop")
            .is_none()
    );
}

pub fn tokens_on_behalf_of_a_user_are_kept_where_that_is_asked_for<D: Driver>() {
    for (entries, requests) in [(0, 3), (100, 1)] {
        let world = world::<D>(|builder| builder.obo_cache(entries));
        let subject = world.token().mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        for _ in 0..3 {
            assert!(world.client.get_token_on_behalf_of(&request).is_ok());
        }
        assert_eq!(token_requests(&world.tenant).len(), requests);
    }

    // By everything that the token depends on.
    let world = world::<D>(|builder| builder.obo_cache(100));
    let users = ["ada", "grace"].map(|user| world.token().subject(user).mint().unwrap());
    for _ in 0..2 {
        for subject in &users {
            for audience in [DOWNSTREAM, "https://other.example/"] {
                for scope in ["", "read:a", "read:a read:b"] {
                    let request = OnBehalfOf::new(subject, audience).scope(scope);
                    let token = world.client.get_token_on_behalf_of(&request).unwrap();
                    let claims = unverified_payload(token.access_token(), 16_384).unwrap();
                    let own = unverified_payload(subject, 16_384).unwrap();
                    assert_eq!(
                        (&claims["sub"], &claims["aud"]),
                        (&own["sub"], &audience.into())
                    );
                    assert_eq!(token.scope(), Some(scope).filter(|scope| !scope.is_empty()));
                }
            }
        }
    }
    assert_eq!(token_requests(&world.tenant).len(), 12);
    // The least recently used goes first.
    let world = self::world::<D>(|builder| builder.obo_cache(1));
    for subject in [&users[0], &users[1], &users[0]] {
        let request = OnBehalfOf::new(subject, DOWNSTREAM);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    }
    assert_eq!(token_requests(&world.tenant).len(), 3);

    // Wherever the texts are cut.
    let world = self::world::<D>(|builder| builder.obo_cache(100));
    for (audience, scope) in [("https://d/", "read"), ("https://d/read", "")] {
        let request = OnBehalfOf::new(&users[0], audience).scope(scope);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    }
    assert_eq!(token_requests(&world.tenant).len(), 2);

    // What is used goes last; what cannot be given again takes no place.
    let world = self::world::<D>(|builder| builder.obo_cache(2));
    let requests_after = |audience: &str| {
        let request = OnBehalfOf::new(&users[0], audience);
        let _ = world.client.get_token_on_behalf_of(&request);
        token_requests(&world.tenant).len()
    };
    for (audience, expected) in [("a", 1), ("b", 2), ("a", 2)] {
        assert_eq!(requests_after(audience), expected);
    }
    let refused = Fault::body(403, "application/json", "{}");
    let assumed = Fault::body(200, "application/json", r#"{"access_token":"a"}"#);
    world
        .tenant
        .misbehave_script(Endpoint::Token, [refused, assumed]);
    for (audience, expected) in [
        ("x", 3),
        ("y", 4),
        // Of a and b, b was used longer ago.
        ("c", 5),
        ("a", 5),
        ("b", 6),
    ] {
        assert_eq!(requests_after(audience), expected, "{audience}");
    }
}

/// Whoever waits for an exchange that panics makes it in its place.
pub fn an_exchange_that_panics_strands_nobody<D: Driver>() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(super::at(super::NOW));
    tenant.register_client(ID, SECRET);
    let exchanges = AtomicUsize::new(0);
    let http = {
        let tenant = tenant.clone();
        move |request: http::Request<Vec<u8>>| {
            if request.uri().path() == "/oauth/token" {
                let first = exchanges.fetch_add(1, Ordering::SeqCst) == 0;
                assert!(!first, "the first exchange panics");
            }
            tenant.handle(request)
        }
    };
    let builder = builder::<D>(&tenant).client_id(ID).client_secret(SECRET);
    let client = D::build(D::http_client(builder.obo_cache(10), http)).unwrap();
    let subject = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let start = Barrier::new(16);
    let outcomes: Vec<Option<bool>> = std::thread::scope(|scope| {
        let exchange = || {
            start.wait();
            let request = OnBehalfOf::new(&subject, DOWNSTREAM);
            let call = AssertUnwindSafe(|| client.get_token_on_behalf_of(&request).is_ok());
            catch_unwind(call).ok()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(exchange)).collect();
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    });
    let count = |outcome| outcomes.iter().filter(|it| **it == outcome).count();
    assert_eq!((count(None), count(Some(true))), (1, 15));
    assert_eq!(token_requests(&tenant).len(), 1);
}

pub fn a_kept_token_outlives_neither_itself_nor_its_subject<D: Driver>() {
    let answer = |expires_in: &str| {
        let body = format!(r#"{{"access_token":"a"{expires_in}}}"#);
        Fault::body(200, "application/json", body)
    };
    // (lifetime of the subject's token, of the exchanged one, last second at which it is given)
    for (subject, exchanged, last) in [
        (3600, r#","expires_in":100"#, Some(89)),
        (50, r#","expires_in":100"#, Some(49)),
        (3600, r#","expires_in":10"#, None),
        (3600, r#","expires_in":0"#, None),
        (3600, "", None),
        (0, r#","expires_in":100"#, None),
    ] {
        let world = world::<D>(|builder| builder.obo_cache(100));
        world.tenant.misbehave(Endpoint::Token, answer(exchanged));
        let subject = world.token().expires_in(subject).mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let requests_after = |seconds| {
            world.advance(seconds);
            assert!(world.client.get_token_on_behalf_of(&request).is_ok());
            token_requests(&world.tenant).len()
        };
        assert_eq!(requests_after(0), 1);
        match last {
            Some(last) => {
                assert_eq!(requests_after(last), 1, "{exchanged}");
                assert_eq!(requests_after(1), 2, "{exchanged}");
            }
            None => assert_eq!(requests_after(0), 2, "{exchanged}"),
        }
    }
    // Of an opaque token nobody can tell how long it lives.
    let world = world::<D>(|builder| builder.obo_cache(100));
    for requests in 1..3 {
        let request = OnBehalfOf::new("opaque", DOWNSTREAM);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
        assert_eq!(token_requests(&world.tenant).len(), requests);
    }
}

pub fn callers_with_one_token_make_one_exchange<D: Driver>() {
    for (fault, accepted) in [(Fault::none(), true), (Fault::status(500), false)] {
        let world = world::<D>(|builder| builder.obo_cache(100));
        let gate = a0_testkit::Gate::new();
        let subject = world.token().mint().unwrap();
        let held = Fault::hold_then(&gate, fault);
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request).is_ok();
        let called = Barrier::new(17);
        std::thread::scope(|scope| {
            let first = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            let others: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        called.wait();
                        exchange()
                    })
                })
                .collect();
            called.wait();
            gate.release();
            assert_eq!(first.join().unwrap(), accepted);
            let others = others.into_iter().map(|other| other.join().unwrap());
            let shared = others.filter(|other| *other == accepted).count();
            // Who came after the failure tried again, one of them for all.
            let requests = match accepted {
                true => 1,
                false => 1 + usize::from(shared < 16),
            };
            assert_eq!(token_requests(&world.tenant).len(), requests);
        });
        // A failure is not kept.
        assert!(exchange());
    }
}

pub fn a_waiter_leaves_while_the_exchange_hangs<D: Driver>() {
    for max_wait in [Duration::ZERO, Duration::from_millis(10)] {
        let world = world::<D>(|builder| {
            let builder = builder.obo_cache(10).max_wait(max_wait);
            builder.timeout(Duration::from_secs(3600))
        });
        let gate = a0_testkit::Gate::new();
        let held = Fault::hold_then(&gate, Fault::none());
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let subject = world.token().mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request);
        let (led, waited) = std::thread::scope(|scope| {
            let leader = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            let waited = exchange();
            gate.release();
            (leader.join().unwrap(), waited)
        });
        let error = waited.unwrap_err();
        assert_eq!(error.error_code(), "timeout_error");
        assert_eq!(error.status_code(), 504);
        let timeout = TransportErrorKind::Timeout.into();
        let expected = ApiError::Exchange(ExchangeError::Transport(timeout));
        assert_eq!(*error.kind(), ErrorKind::Api(expected));
        assert!(causes(&error).contains("longer than max_wait"));
        assert!(!format!("{error:?} {}", causes(&error)).contains(&subject));
        // That it left is no failure: the leader's token is kept.
        assert_eq!(
            exchange().unwrap().access_token(),
            led.unwrap().access_token()
        );
        assert_eq!(token_requests(&world.tenant).len(), 1);
    }
}

pub fn exchanges_that_panic_end_their_waiters<D: Driver>() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(super::at(super::NOW));
    tenant.register_client(ID, SECRET);
    let exchanges = Arc::new(AtomicUsize::new(0));
    let http = {
        let (tenant, exchanges) = (tenant.clone(), Arc::clone(&exchanges));
        move |request: http::Request<Vec<u8>>| {
            if request.uri().path() == "/oauth/token" {
                exchanges.fetch_add(1, Ordering::SeqCst);
                panic!("every exchange panics");
            }
            tenant.handle(request)
        }
    };
    let builder = builder::<D>(&tenant).client_id(ID).client_secret(SECRET);
    let client = D::build(D::http_client(builder.obo_cache(10), http)).unwrap();
    let subject = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let start = Barrier::new(16);
    let exchange = || {
        start.wait();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let call = AssertUnwindSafe(|| client.get_token_on_behalf_of(&request).unwrap_err());
        catch_unwind(call).ok()
    };
    let outcomes: Vec<Option<Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(exchange)).collect();
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    });
    // Each call that panicked made one exchange. The others waited for two of them.
    let panics = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    assert_eq!(exchanges.load(Ordering::SeqCst), panics);
    for error in outcomes.into_iter().flatten() {
        assert_eq!(error.error_code(), "network_error");
        assert_eq!(error.status_code(), 502);
        assert!(causes(&error).contains("were abandoned"));
    }
}

pub fn an_exchange_that_is_overdue_is_nobodys_to_join<D: Driver>() {
    let body = r#"{"access_token":"late","expires_in":3600}"#;
    let late = Fault::body(200, "application/json", body);
    let seconds = Duration::from_secs;
    // (timeout, last second at which the exchange can be joined)
    for (timeout, last) in [(None, 95), (Some(seconds(2)), 71)] {
        let world = world::<D>(|builder| {
            let builder = builder.obo_cache(10).max_wait(Duration::ZERO);
            match timeout {
                Some(timeout) => builder.timeout(timeout),
                None => builder,
            }
        });
        let gate = a0_testkit::Gate::new();
        let held = Fault::hold_then(&gate, late.clone());
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let subject = world.token().expires_in(3600).mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request);
        let (joined, led, late) = std::thread::scope(|scope| {
            let leader = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            world.advance(last);
            let joined = exchange();
            world.advance(1);
            let led = exchange();
            gate.release();
            (joined, led, leader.join().unwrap())
        });
        assert_eq!(joined.unwrap_err().error_code(), "timeout_error");
        // The late token is its own caller's, and does not replace the newer one.
        assert_eq!(late.unwrap().access_token(), "late");
        let kept = exchange().unwrap();
        assert_eq!(kept.access_token(), led.unwrap().access_token());
        assert_eq!(token_requests(&world.tenant).len(), 2);
    }
}

/// The texts of an error's sources.
fn causes(error: &Error) -> String {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source());
    causes.map(|cause| format!("{cause}: ")).collect()
}
