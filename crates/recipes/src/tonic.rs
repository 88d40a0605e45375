//! A gRPC server on tonic, with a public health service.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use a0_tower::{Auth, Verified, grpc};
use auth0_api::{Policy, asynchronous::ApiClient};
use tokio::net::TcpListener;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::transport::{Error, Server, server::TcpIncoming};
use tonic::{Code, Request, Response, Status, body::Body};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// Serves until it fails.
pub async fn serve(listener: TcpListener, client: ApiClient) -> Result<(), Error> {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let auth = Auth::new(client)
        .require(Policy::scope("read:orders"))
        .exclude_services(grpc::PublicServices::new().health());
    Server::builder()
        .layer(auth)
        .add_service(health)
        .add_service(Orders)
        .serve_with_incoming(TcpIncoming::from(listener))
        .await
}

/// A method of a service. The extensions of its request hold the token.
async fn list(request: Request<()>) -> Result<Response<String>, Status> {
    let token: Verified = Verified::from_extensions(request.extensions())
        .map_err(|_| Status::internal("the service is not behind the layer"))?;
    // What a layer requires is for all methods; this is for one.
    token
        .authorize(&Policy::permission("orders:list"))
        .map_err(status)?;
    let subject = token.subject().map_err(status)?.unwrap_or_default();
    Ok(Response::new(format!("orders of {subject}")))
}

/// The status of an error, with its challenges as metadata.
fn status(error: auth0_api::Error) -> Status {
    let code = Code::from(i32::from(grpc::code(error.status_code())));
    let metadata = MetadataMap::from_headers(error.headers());
    Status::with_metadata(code, error.error_description(), metadata)
}

/// Stands for a service that `tonic-prost-build` generates from a `.proto` file, which needs `protoc`.
#[derive(Clone)]
struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "recipes.v1.Orders";
}

impl Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != "/recipes.v1.Orders/List" {
            return Box::pin(ready(Ok(Status::unimplemented("").into_http())));
        }
        let mut grpc = Grpc::new(ProstCodec::<String, ()>::default());
        Box::pin(async move { Ok(grpc.unary(service_fn(list), request).await) })
    }
}
