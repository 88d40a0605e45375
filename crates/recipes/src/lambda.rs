//! A function on AWS Lambda, behind an API gateway.

use a0_tower::{Auth, Refusal, Verified};
use auth0_api::{Policy, asynchronous::ApiClient};
use http::Response;
use lambda_http::{Error, Request};
use tower::{Layer, Service, service_fn};

/// Runs the function. Create the client once, before this: it keeps the keys between invocations.
pub async fn run(client: ApiClient) -> Result<(), Error> {
    lambda_http::run(orders(client)).await
}

/// The protected function. For DPoP proofs, set the client's `public_url` to the URL of the gateway without
/// a stage: `lambda_http` puts the stage in front of the path. With a custom domain, whose URLs have no
/// stage, set the environment variable `AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH` too.
pub fn orders(
    client: ApiClient,
) -> impl Service<
    Request,
    Response = Response<a0_tower::AuthBody<lambda_http::Body>>,
    Error = Error,
    Future: Send,
> + Clone {
    let auth = Auth::new(client).require(Policy::scope("read:orders"));
    auth.layer(service_fn(|request: Request| async move {
        let answer = subject(&request).map(|subject| format!("orders of {subject}"));
        let answer = answer.map_or_else(|refusal| refusal.response(), Response::new);
        Ok(answer.map(lambda_http::Body::from))
    }))
}

fn subject(request: &Request) -> Result<String, Refusal> {
    let token: Verified = Verified::from_extensions(request.extensions())?;
    Ok(token.subject()?.unwrap_or_default().to_owned())
}
