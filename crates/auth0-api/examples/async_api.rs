//! An async API: all tasks share one client. The tenant runs on this machine.
//!
//! ```text
//! cargo run -p auth0-api --features async --example async_api
//! ```

use std::error::Error;

use a0_testkit::{Endpoint, TenantServer};
use auth0_api::ReqwestClient;
use auth0_api::asynchronous::ApiClient;
use http::StatusCode;

const AUDIENCE: &str = "https://api.example/";

const HELP: &str = "\
Starts a tenant on loopback and verifies requests of 30 tasks.

  async_api           runs the example
  async_api --help    prints this text
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(());
        }
        Some(_) => return Err("unknown arguments; see --help".into()),
    }
    let server = TenantServer::start()?;
    // The local tenant has its own CA. A real tenant does not need this client.
    let http = ReqwestClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())?
        .build();
    let api = ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .async_http_client(http)
        .build_async()?;
    println!("A tenant runs at {}", server.issuer());

    let token = server.tenant().access_token().audience(AUDIENCE).mint()?;
    let tasks: Vec<_> = [&*token, "opaque", &*token]
        .into_iter()
        .cycle()
        .take(30)
        .map(|token| {
            let field = format!("Bearer {token}");
            tokio::spawn(handle(api.clone(), field))
        })
        .collect();
    let mut counts = std::collections::BTreeMap::new();
    for task in tasks {
        *counts.entry(task.await?.as_u16()).or_insert(0) += 1;
    }
    println!("Responses to 30 concurrent requests, by status: {counts:?}");
    println!(
        "Requests for the keys of the tenant: {}",
        server.tenant().request_count(Endpoint::Jwks)
    );
    if counts.get(&200) == Some(&20) {
        Ok(())
    } else {
        Err("expected 20 responses with status 200".into())
    }
}

/// A handler: it awaits the verification and responds.
async fn handle(api: ApiClient, field: String) -> StatusCode {
    let request = http::Request::get("/things").header("authorization", field);
    let Ok(request) = request.body(()) else {
        return StatusCode::BAD_REQUEST;
    };
    match api.verify_request(&request).await {
        Ok(_token) => StatusCode::OK,
        Err(error) => error.status_code(),
    }
}
