//! A server on hyper, without a framework.

use std::convert::Infallible;

use a0_tower::{Auth, Verified};
use auth0_api::{Policy, asynchronous::ApiClient};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

/// Serves until the listener fails.
pub async fn serve(listener: TcpListener, client: ApiClient) -> std::io::Result<()> {
    let auth = Auth::new(client).require(Policy::scope("read:orders"));
    let service = auth.layer(service_fn(orders));
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("a connection failed: {error}");
            }
        });
    }
}

async fn orders(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = match subject(&request) {
        Ok(subject) => Response::new(format!("orders of {subject}")),
        Err(refusal) => refusal.response(),
    };
    Ok(answer.map(Full::from))
}

fn subject<B>(request: &Request<B>) -> Result<String, a0_tower::Refusal> {
    let token: Verified = Verified::from_extensions(request.extensions())?;
    Ok(token.subject()?.unwrap_or_default().to_owned())
}
