//! The header `Auth0-Client`.

use a0_testkit::Endpoint;
use auth0_api::jose::SigningKey;
use auth0_api::{ConnectionToken, ErrorKind, OnBehalfOf};

use super::exchange::{DOWNSTREAM, exchange, world};
use super::{Driver, World};

/// {"name":"my-api","version":"1.2.3"}
const INFO: &str = "eyJuYW1lIjoibXktYXBpIiwidmVyc2lvbiI6IjEuMi4zIn0";

/// The endpoint of each request so far, and its header.
fn sent<D>(world: &World<D>) -> Vec<(Endpoint, Option<String>)> {
    let requests = world.tenant.requests();
    let read = |request: &a0_testkit::RecordedRequest| {
        let mut fields = request.headers().get_all("auth0-client").iter();
        let field = fields
            .next()
            .map(|field| field.to_str().unwrap().to_owned());
        assert!(fields.next().is_none());
        (request.endpoint().unwrap(), field)
    };
    requests.iter().map(read).collect()
}

fn every_flow<D: Driver>(world: &World<D>) {
    let token = world.token().mint().unwrap();
    exchange(world).unwrap();
    let request = OnBehalfOf::new(&token, DOWNSTREAM);
    world.client.get_token_on_behalf_of(&request).unwrap();
    let request = ConnectionToken::new("github", &token);
    world
        .client
        .get_access_token_for_connection(&request)
        .unwrap();
}

pub fn client_flows_name_the_software_only_if_asked_to<D: Driver>() {
    let silent = world::<D>(|builder| builder);
    every_flow(&silent);
    assert_eq!(sent(&silent).len(), 4);
    assert!(sent(&silent).iter().all(|(_, field)| field.is_none()));

    let key = SigningKey::generate_es256().unwrap();
    let world = world::<D>(|builder| {
        let builder = builder.client_info("my-api", "1.2.3");
        builder.exchange_dpop_key(key)
    });
    every_flow(&world);
    let expected = Some(INFO.to_owned());
    assert_eq!(sent(&world)[0], (Endpoint::Discovery, expected.clone()));
    for request in &sent(&world)[1..] {
        assert_eq!(*request, (Endpoint::Token, expected.clone()));
    }
    assert_eq!(sent(&world).len(), 4);

    // Verification asks anonymously.
    world.tenant.reset_requests();
    world.verify(&world.token().mint().unwrap()).unwrap();
    let anonymous = [(Endpoint::Discovery, None), (Endpoint::Jwks, None)];
    assert_eq!(sent(&world), anonymous);
    // Its metadata serves the flows too.
    world.tenant.reset_requests();
    exchange(&world).unwrap();
    assert_eq!(sent(&world), [(Endpoint::Token, expected)]);
}

pub fn an_invalid_client_info_is_a_configuration_error<D: Driver>() {
    let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
    let longest = "a".repeat(64);
    let too_long = "a".repeat(65);
    for (name, version, is_valid) in [
        (&*longest, &*longest, true),
        ("a\"b\\c", "1.2.3-rc.1+b", true),
        ("", "1", false),
        ("a", "", false),
        (&*too_long, "1", false),
        ("a", &*too_long, false),
        ("a b", "1", false),
        ("a\r\nx: y", "1", false),
        ("a", "1\0", false),
        ("\u{e9}", "1", false),
    ] {
        let builder = super::builder::<D>(&tenant).client_info(name, version);
        match D::build(builder) {
            Ok(_) => assert!(is_valid, "{name:?} {version:?}"),
            Err(error) => {
                assert!(!is_valid, "{name:?} {version:?}");
                assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
                assert!(error.error_description().starts_with("client_info: "));
            }
        }
    }
}
