//! The option `local_tenant`, which both kinds of clients accept.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use a0_testkit::{Endpoint, LocalTenant};
use auth0_api::{ApiClient, Builder, Error, OnBehalfOf, Refresh, TokenOptions};

use super::{AUDIENCE, Driver, Handle, NOW, at};

fn tenant(domain: &str) -> LocalTenant {
    let tenant = LocalTenant::new(domain).unwrap();
    tenant.set_now(at(NOW));
    tenant
}

fn options() -> Builder {
    ApiClient::builder()
        .audience(AUDIENCE)
        .cache_refresh(Refresh::Inline)
}

fn at_tenant(builder: Builder, tenant: &LocalTenant) -> Builder {
    builder.local_tenant(tenant.domain(), tenant.client(), tenant.clock())
}

fn verify<D: Driver>(client: &D, token: &str) -> Result<(), Error> {
    let verified = client.verify_access_token(token, &TokenOptions::new());
    verified.map(|_| ())
}

fn token(tenant: &LocalTenant) -> String {
    let token = tenant.access_token().audience(AUDIENCE).expires_in(60);
    token.mint().unwrap()
}

/// An HTTP client that counts its requests and answers none.
fn counting(count: &Arc<AtomicUsize>) -> impl Handle + use<> {
    let count = Arc::clone(count);
    move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

pub fn the_local_tenant_replaces_issuers_http_client_and_clock<D: Driver>() {
    let tenant = tenant("tenant.example");
    let others = ["a.example", "b.example"];
    let sent = Arc::new(AtomicUsize::new(0));
    for production in [
        options().domain("a.example"),
        options().domain("a.example").domains(others),
        D::domains_resolver(options(), |_| Err::<Vec<String>, _>("no request of a test")),
    ] {
        let production = D::http_client(production, counting(&sent)).clock(SystemTime::now);
        let client = D::build(at_tenant(production, &tenant)).unwrap();
        tenant.set_now(at(NOW));
        let good = token(&tenant);
        verify(&client, &good).unwrap();
        let of_production = token(&self::tenant("a.example"));
        assert_eq!(
            verify(&client, &of_production).unwrap_err().status_code(),
            401
        );

        tenant.set_now(at(NOW) + Duration::from_secs(60));
        let error = verify(&client, &good).unwrap_err();
        assert_eq!(error.error_description(), "Token is expired");
    }
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    assert_eq!(tenant.request_count(Endpoint::Jwks), 3);
}

pub fn a_later_option_replaces_a_part_of_the_local_tenant<D: Driver>() {
    let tenant = tenant("tenant.example");
    let local = || at_tenant(options(), &tenant);
    let sent = Arc::new(AtomicUsize::new(0));
    let good = token(&tenant);
    let status = |builder: Builder| match verify(&D::build(builder).unwrap(), &good) {
        Ok(()) => 200,
        Err(error) => error.status_code().as_u16(),
    };
    assert_eq!(status(local()), 200);
    assert_eq!(status(local().domains(["a.example"])), 401);
    assert_eq!(
        status(local().domains(["a.example", "tenant.example"])),
        200
    );
    assert_eq!(status(local().clock(|| at(NOW + 60))), 401);
    assert_eq!(sent.load(Ordering::Relaxed), 0);
    assert_eq!(status(D::http_client(local(), counting(&sent))), 503);
    assert_ne!(sent.load(Ordering::Relaxed), 0);
}

pub fn a_client_flow_gets_its_token_from_the_local_tenant<D: Driver>() {
    let tenant = tenant("tenant.example");
    tenant.register_client("id", "secret");
    let production = options().client_id("id").client_secret("secret");
    let client = D::build(at_tenant(production.domain("a.example"), &tenant)).unwrap();
    let subject = token(&tenant);
    let request = OnBehalfOf::new(&subject, "https://downstream.example/");
    client.get_token_on_behalf_of(&request).unwrap();
    assert_eq!(tenant.request_count(Endpoint::Token), 1);
}
