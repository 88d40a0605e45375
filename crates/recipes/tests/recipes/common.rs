//! A tenant in memory, clients of it, and tokens.

use std::time::{Duration, UNIX_EPOCH};

use a0_testkit::LocalTenant;
use auth0_api::{ApiClient, Builder, asynchronous};

pub(crate) const AUDIENCE: &str = "https://api.example/";
pub(crate) const PUBLIC_URL: &str = "https://api.example";

/// The time of every test, in seconds since 1970.
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs()));
    tenant
}

fn builder(tenant: &LocalTenant) -> Builder {
    let clock = tenant.clone();
    ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url(PUBLIC_URL)
        .clock(move || clock.now())
}

pub(crate) fn blocking_client(tenant: &LocalTenant) -> ApiClient {
    let client = builder(tenant).http_client(tenant.client());
    client.build().unwrap()
}

pub(crate) fn async_client(tenant: &LocalTenant) -> asynchronous::ApiClient {
    let handle = tenant.client();
    let client = builder(tenant).async_http_client(move |request| {
        let handle = handle.clone();
        async move { handle(request) }
    });
    client.build_async().unwrap()
}

/// A field of a request with a bearer token of this scope.
pub(crate) fn bearer(tenant: &LocalTenant, scope: &str) -> Vec<(&'static str, String)> {
    let token = tenant
        .access_token()
        .audience(AUDIENCE)
        .subject("ada")
        .scope(scope);
    vec![("authorization", format!("Bearer {}", token.mint().unwrap()))]
}
