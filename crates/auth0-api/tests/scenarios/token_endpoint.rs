//! Which token endpoint gets a request and the client's credentials.

use a0_testkit::{Endpoint, Fault, LocalNetwork};
use auth0_api::discovery::TokenEndpointError;
use auth0_api::{ApiClient, Builder, ClientFlowError, ConnectionToken, ErrorKind, OnBehalfOf};

use super::exchange::{DOWNSTREAM, ID, SECRET, exchange, token_requests, world};
use super::{AUDIENCE, Driver};

pub fn credentials_go_only_to_the_token_endpoint_of_the_domain<D: Driver>() {
    for (endpoint, reason) in [
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
        let expected = ClientFlowError::Endpoint(reason);
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
}

/// Further issuers may belong to other tenants. Their tokens are sent only if `same_tenant` names them.
pub fn a_token_of_another_issuer_is_sent_only_if_same_tenant_names_it<D: Driver>() {
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
    let strict = client(builder.clone());
    let client = client(builder.same_tenant(["other.example"]));
    let subject = other.access_token().audience(AUDIENCE).mint().unwrap();
    assert!(
        client
            .verify_access_token(&subject, &Default::default())
            .is_ok()
    );
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
    // A token without a readable issuer is sent, and the endpoint decides.
    for token in ["opaque", "a.b.c.d.e", "a.b"] {
        let sent = token_requests(&own).len();
        let request = OnBehalfOf::new(token, DOWNSTREAM);
        let error = strict.get_token_on_behalf_of(&request).err();
        assert!(!error.is_some_and(|error| error.to_string().contains("same_tenant")));
        assert_eq!(token_requests(&own).len(), sent + 1, "{token}");
    }
    // A signed token always has one.
    let header = "eyJhbGciOiJSUzI1NiJ9";
    for token in [
        "a.b.c".to_owned(),
        format!("{header}.e30.AAAA"),
        format!("{header}.eyJpc3MiOjF9.AAAA"),
        // `iss` twice, and one with padding.
        format!("{header}.eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.AAAA"),
        format!("{header}.eyJpc3MiOiJhIn0=.AAAA"),
        subject.replacen('.', "=.", 1),
        format!("{subject}="),
    ] {
        let sent = token_requests(&own).len();
        let request = OnBehalfOf::new(&token, DOWNSTREAM);
        let error = strict.get_token_on_behalf_of(&request).unwrap_err();
        let expected = ErrorKind::GetTokenByExchangeProfile(ClientFlowError::OtherIssuer);
        assert_eq!(*error.kind(), expected, "{token}");
        assert_eq!(token_requests(&own).len(), sent, "{token}");
    }
}

pub fn a_trusted_token_endpoint_may_have_another_origin<D: Driver>() {
    let world = world::<D>(|builder| builder.trusted_endpoints(["https://login.example"]));
    world
        .tenant
        .set_metadata("token_endpoint", "https://login.example/token");
    // The metadata needs no issuer for this.
    world.tenant.remove_metadata("issuer");
    let error = exchange(&world).unwrap_err();
    assert_eq!(error.error_code(), "network_error");
    let refused = world.tenant.refused();
    assert_eq!(refused[0].to_string(), "https://login.example/token");
}

/// The metadata that was fetched with the keys is used. Failing keys do not affect an exchange.
pub fn the_token_endpoint_comes_from_cached_metadata<D: Driver>() {
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
