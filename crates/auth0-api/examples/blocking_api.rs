//! A blocking API on `tiny_http`, without an async runtime. Its tenant runs on this machine.
//!
//! ```text
//! cargo run -p auth0-api --example blocking_api
//! ```

use std::error::Error;
use std::io::Read;

use a0_testkit::LocalTenant;
use auth0_api::{ApiClient, Policy, RequestContext};
use http::Response;
use tiny_http::{Header, Request, Server};

const AUDIENCE: &str = "https://api.example/";

const HELP: &str = "\
Serves a public and two protected routes on a free port of 127.0.0.1, until it is interrupted.

  blocking_api           prints a request for each route and serves
  blocking_api --help    prints this text
";

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--help" | "-h") => {
            print!("{HELP}");
            return Ok(());
        }
        Some(_) => return Err("unknown arguments; see --help".into()),
    }
    let tenant = LocalTenant::new("tenant.example")?;
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .build()?;
    let server = Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
    let token = tenant.access_token().audience(AUDIENCE);
    let token = token.scope("read:orders").mint()?;
    let address = server.server_addr();
    println!("curl -i http://{address}/");
    for path in ["me", "orders"] {
        println!("curl -i http://{address}/{path} -H 'Authorization: Bearer {token}'");
    }
    // Several threads may serve with one server and one client.
    for request in server.incoming_requests() {
        let response = serve(&client, &request).unwrap_or_else(|error| error.response());
        if let Err(error) = request.respond(to_tiny_http(response)) {
            eprintln!("a response was not sent: {error}");
        }
    }
    Ok(())
}

fn serve(client: &ApiClient, request: &Request) -> Result<Response<String>, auth0_api::Error> {
    let path = request.url().split('?').next().unwrap_or_default();
    if path == "/" {
        return Ok(Response::new("public".to_owned()));
    }
    let token = client.verify_request(context(request))?;
    let subject = token.subject()?.unwrap_or_default();
    let text = match path {
        "/me" => format!("you are {subject}"),
        "/orders" => {
            client.authorize(&token, &Policy::scope("read:orders"))?;
            format!("orders of {subject}")
        }
        _ => {
            let mut response = Response::new("not found".to_owned());
            *response.status_mut() = http::StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(Response::new(text))
}

fn context(request: &Request) -> RequestContext<'_> {
    let context = RequestContext::new()
        .method(request.method().as_str())
        .path(request.url());
    let headers = request.headers().iter();
    headers.fold(context, |context, header| {
        context.header(header.field.as_str().as_str(), header.value.as_str())
    })
}

fn to_tiny_http(response: Response<String>) -> tiny_http::Response<impl Read> {
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter();
    let headers = headers
        .filter_map(|(name, value)| Header::from_bytes(name.as_str(), value.as_bytes()).ok());
    let response = tiny_http::Response::from_string(body).with_status_code(parts.status.as_u16());
    headers.fold(response, tiny_http::Response::with_header)
}
