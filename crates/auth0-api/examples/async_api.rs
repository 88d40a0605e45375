//! An async API: one client for all tasks, against a tenant on this machine.
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
Starts a tenant on loopback, and lets tasks verify requests against it at once.

  async_api           runs
  async_api --help    prints this
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(());
        }
        Some(_) => return Err("this takes no argument but --help".into()),
    }
    let server = TenantServer::start()?;
    // Only because of the tenant's own CA: a real tenant needs no client of one's own.
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
    let mut answers = std::collections::BTreeMap::new();
    for task in tasks {
        *answers.entry(task.await?.as_u16()).or_insert(0) += 1;
    }
    println!("30 requests at once: {answers:?} (status and how often)");
    println!(
        "the tenant was asked {} time for its keys",
        server.tenant().request_count(Endpoint::Jwks)
    );
    match answers.get(&200) {
        Some(20) => Ok(()),
        _ => Err("this should not have happened".into()),
    }
}

/// What a handler does: it awaits the decision, and answers.
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
