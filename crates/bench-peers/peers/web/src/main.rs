//! Requests per second of one axum route: open, protected by a0-tower, and protected by
//! oauth-resource-server. `cargo xtask bench --web` starts it.
//!
//! One server has all routes, on one worker thread; `wrk` sends the requests from the other core. The
//! routes take turns, so that a change of the machine's speed meets all of them.

mod load;

use std::error::Error;
use std::sync::Arc;

use a0_testkit::TenantServer;
use a0_tower::Auth;
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Backend, ReqwestClient};
use axum::Router;
use axum::routing::get;
use load::{Load, median};
use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};

type Failure = Box<dyn Error + Send + Sync>;

const AUDIENCE: &str = "https://api.example/";

/// No cache could hold a token until it comes again: each connection sends all of them in turn.
const TOKENS: usize = 4000;

const USAGE: &str = "use `peer-web [--rounds N] [--seconds N]`, or `cargo xtask bench --web`";

const OPEN: &str = "/open";
const PEER: &str = "/oauth-resource-server";
const ROUTES: [&str; 4] = [OPEN, "/a0-tower", "/a0-tower-aws-lc-rs", PEER];

fn main() -> Result<(), Failure> {
    let (mut rounds, mut seconds) = (9, 2);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || -> Result<u32, Failure> { Ok(given.next().ok_or(USAGE)?.parse()?) };
        match name.as_str() {
            "--rounds" => rounds = number()?,
            "--seconds" => seconds = number()?,
            _ => return Err(USAGE.into()),
        }
    }
    println!("making {TOKENS} tokens");
    let tenant = TenantServer::start()?;
    let tokens = (0..TOKENS).map(|number| token(&tenant, number));
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let router = runtime.block_on(router(&tenant))?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))?;
    let load = Load::new(listener.local_addr()?, &tokens, seconds)?;
    runtime.spawn(async move { axum::serve(listener, router).await });

    // Every route has its keys before the first round.
    for route in ROUTES {
        load.run(route)?;
    }
    let mut rates = [const { Vec::new() }; ROUTES.len()];
    for round in 0..rounds {
        for turn in 0..ROUTES.len() {
            let place = (turn + round as usize) % ROUTES.len();
            let rate = load.run(ROUTES[place])?;
            rates[place].push(rate);
        }
        eprintln!("    {} of {rounds} rounds", round + 1);
    }
    let peer = rates.last().ok_or("no peer")?.clone();
    println!("| route | requests/s | against the peer, median of the rounds | lowest | highest |");
    println!("|---|---|---|---|---|");
    for (route, rates) in ROUTES.iter().zip(&rates) {
        let ratios: Vec<f64> = rates.iter().zip(&peer).map(|(own, peer)| own / peer).collect();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        println!(
            "| `{route}` | {:.0} | {:.2} | {lowest:.2} | {highest:.2} |",
            median(rates.clone()),
            median(ratios)
        );
    }
    Ok(())
}

/// Every protected route checks the same: signature, issuer, audience, times and one scope.
async fn router(tenant: &TenantServer) -> Result<Router, Failure> {
    let handler = || get(|| async { "orders" });
    let own = |backend: Backend| -> Result<Auth, Failure> {
        let http = ReqwestClient::builder()
            .root_certificates_pem(tenant.ca_pem().as_bytes())?
            .build();
        let client = ApiClient::builder()
            .domain(tenant.domain())
            .audience(AUDIENCE)
            .backend(backend)
            .async_http_client(http)
            .build_async()?;
        Ok(Auth::new(client).require(auth0_api::Policy::scope("read:orders")))
    };
    let config = OAuthConfig {
        enabled: true,
        issuer: tenant.issuer().into(),
        audience: AUDIENCE.into(),
        resource: AUDIENCE.into(),
        required_scope: Some("read:orders".into()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?;
    let validator = OAuthValidator::builder(&config.ok_or("the peer is not enabled")?)
        .add_root_certificate_pem(tenant.ca_pem().as_bytes())
        .build()?;
    let validator = Arc::new(validator);
    validator.refresh_now().await?;
    let peer = AuthLayer::builder().oauth(validator).build()?;
    Ok(Router::new()
        .route(ROUTES[1], handler().route_layer(own(Backend::OpenSsl)?))
        .route(ROUTES[2], handler().route_layer(own(Backend::AwsLcRs)?))
        .route(PEER, handler().route_layer(peer))
        .route(OPEN, handler()))
}

/// A token like those that Auth0 issues to an application after a login: about 900 bytes.
fn token(tenant: &TenantServer, number: usize) -> Result<String, Failure> {
    let token = tenant.tenant().access_token().expires_in(86_400);
    let token = token.audiences([AUDIENCE, "https://tenant.example/userinfo"]);
    let token = token.subject(&format!("auth0|65f0c0ffee{number:014}"));
    let token = token.scope("openid profile read:orders write:orders");
    let token = token.client("tQ5w8KdYpG3sXv9rUeZbNcJmLhAfRoIy");
    let permissions = serde_json::json!(["read:orders", "write:orders"]);
    Ok(token.claim("permissions", permissions).mint()?)
}
