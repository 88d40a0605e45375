//! The authorities that the client's own HTTP client trusts, over TLS on loopback.

use std::error::Error as _;

use a0_testkit::TenantServer;
use auth0_api::{ApiClient, Builder, ErrorKind, OnBehalfOf, TokenOptions, TrustRoots};

use super::exchange::{DOWNSTREAM, ID, SECRET};
use super::{AUDIENCE, Driver};

fn builder(server: &TenantServer) -> Builder {
    server.tenant().register_client(ID, SECRET);
    ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .client_id(ID)
        .client_secret(SECRET)
}

fn bearer(server: &TenantServer) -> String {
    let token = server.tenant().access_token().audience(AUDIENCE);
    token.mint().unwrap()
}

pub fn added_and_replaced_roots_hold_for_keys_and_the_token_endpoint<D: Driver>() {
    let (server, other) = (
        TenantServer::start().unwrap(),
        TenantServer::start().unwrap(),
    );
    let (ca, other_ca) = (server.ca_pem(), other.ca_pem());
    let options: [fn(Builder, &str, &str) -> Builder; 5] = [
        |builder, ca, _| builder.add_root_certificates_pem(ca),
        |builder, ca, _| builder.root_certificates_pem(ca),
        |builder, ca, other| {
            let builder = builder.root_certificates_pem(other);
            builder.add_root_certificates_pem(ca)
        },
        |builder, ca, other| {
            let builder = builder.add_root_certificates_pem(other);
            builder.add_root_certificates_pem(ca)
        },
        |builder, ca, _| builder.trust_roots(TrustRoots::from_pem(ca.as_bytes()).unwrap()),
    ];
    let token = bearer(&server);
    for option in options {
        let client = D::build(option(builder(&server), ca, other_ca)).unwrap();
        let verified = client.verify_access_token(&token, &TokenOptions::new());
        assert!(verified.is_ok(), "{verified:?}");
        let request = OnBehalfOf::new(&token, DOWNSTREAM);
        assert!(client.get_token_on_behalf_of(&request).is_ok());
    }
}

pub fn an_unknown_root_is_an_outage_whose_source_names_the_option<D: Driver>() {
    let (server, other) = (
        TenantServer::start().unwrap(),
        TenantServer::start().unwrap(),
    );
    let options: [fn(Builder, &str, &str) -> Builder; 4] = [
        |builder, _, _| builder,
        |builder, _, other| builder.add_root_certificates_pem(other),
        |builder, _, other| builder.root_certificates_pem(other),
        // It replaces what was added before.
        |builder, ca, other| {
            let builder = builder.add_root_certificates_pem(ca);
            builder.root_certificates_pem(other)
        },
    ];
    let token = bearer(&server);
    for option in options {
        let builder = option(builder(&server), server.ca_pem(), other.ca_pem());
        let client = D::build(builder).unwrap();
        let error = client
            .verify_access_token(&token, &TokenOptions::new())
            .unwrap_err();
        assert_eq!(error.status_code(), 503);
        assert!(!error.to_string().contains("root"));
        assert!(causes(&error).contains("add_root_certificates_pem"));

        let request = OnBehalfOf::new(&token, DOWNSTREAM);
        let error = client.get_token_on_behalf_of(&request).unwrap_err();
        assert_eq!(error.status_code(), 502);
        assert!(causes(&error).contains("add_root_certificates_pem"));
        assert!(server.tenant().requests().is_empty());
    }
}

fn causes(error: &auth0_api::Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub fn roots_that_cannot_be_used_are_a_configuration_error<D: Driver>() {
    let server = TenantServer::start().unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let with_key = format!("{}{key}", server.ca_pem());
    let texts = ["", "garbage", key, &with_key, &server.ca_pem()[..200]];
    let options: [fn(Builder, &str) -> Builder; 2] = [
        |builder, pem| builder.root_certificates_pem(pem),
        |builder, pem| builder.add_root_certificates_pem(pem),
    ];
    for (option, name) in options
        .into_iter()
        .zip(["root_certificates_pem: ", "add_root_certificates_pem: "])
    {
        for pem in texts {
            let error = D::build(option(builder(&server), pem)).err().unwrap();
            assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
            let text = format!("{error} {error:?}");
            assert!(error.error_description().starts_with(name), "{text}");
            assert!(!text.contains("c2VjcmV0"), "{text}");
        }
        // They would have no effect on an HTTP client of the caller's, but local_tenant replaces them.
        let refuse = |_| Err(std::io::ErrorKind::NotFound.into());
        let given = D::http_client(builder(&server), refuse);
        let error = D::build(option(given, server.ca_pem())).err().unwrap();
        assert!(error.error_description().contains("http_client"));
        let tenant = server.tenant();
        let local = option(builder(&server), server.ca_pem());
        let local = local.local_tenant(tenant.domain(), tenant.client(), tenant.clock());
        assert!(D::build(local).is_ok());
    }
}
