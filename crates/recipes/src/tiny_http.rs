//! A blocking server on tiny_http, without an async runtime.

use auth0_api::{ApiClient, Error, Policy, RequestContext};
use http::Response;
use tiny_http::{Header, Request, Server};

/// Serves until the server is unblocked. Several threads may do this with one server and one client.
pub fn serve(server: &Server, client: &ApiClient) {
    for request in server.incoming_requests() {
        let answer = orders(client, &request).unwrap_or_else(|error| error.response());
        if let Err(error) = request.respond(to_tiny_http(answer)) {
            eprintln!("a response was not sent: {error}");
        }
    }
}

fn orders(client: &ApiClient, request: &Request) -> Result<Response<String>, Error> {
    let token = client.verify_request(context(request))?;
    token.authorize(&Policy::scope("read:orders"))?;
    let subject = token.subject()?.unwrap_or_default();
    Ok(Response::new(format!("orders of {subject}")))
}

/// The client's `public_url` and the path are the URL that DPoP proofs must name.
fn context(request: &Request) -> RequestContext<'_> {
    let context = RequestContext::new()
        .method(request.method().as_str())
        .path(request.url());
    request.headers().iter().fold(context, |context, header| {
        context.header(header.field.as_str().as_str(), header.value.as_str())
    })
}

fn to_tiny_http(answer: Response<String>) -> tiny_http::Response<impl std::io::Read> {
    let (parts, body) = answer.into_parts();
    let response = tiny_http::Response::from_string(body).with_status_code(parts.status.as_u16());
    let headers = parts.headers.iter();
    let headers = headers
        .filter_map(|(name, value)| Header::from_bytes(name.as_str(), value.as_bytes()).ok());
    headers.fold(response, tiny_http::Response::with_header)
}
