//! The readiness of an instance, for load balancers.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use auth0_api::asynchronous::ApiClient;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::time::sleep;
use tower_service::Service;

/// The pause between two attempts to fetch keys.
const PAUSE: Duration = Duration::from_secs(1);

/// A service that tells whether this instance can take requests: 200, or 503 as long as it has fetched no
/// keys.
///
/// It sends no request and tells nothing about issuers or keys. The age of the keys does not count, so an
/// outage of the tenant never takes a warm instance out of service. Spawn [`warm_up`](Readiness::warm_up) at
/// the start: an instance that gets no requests would not become ready otherwise. See
/// [`is_ready`](auth0_api::ApiClient::is_ready).
///
/// ```
/// # use auth0_api::asynchronous::ApiClient;
/// use a0_tower::Readiness;
/// use axum::Router;
///
/// # fn app(client: ApiClient) -> Router {
/// let readiness = Readiness::new(client);
/// tokio::spawn(readiness.clone().warm_up());
/// Router::new().route_service("/ready", readiness)
/// # }
/// ```
#[derive(Clone)]
pub struct Readiness {
    client: ApiClient,
}

impl Readiness {
    /// Reports the state of this client, or of any clone of it.
    pub fn new(client: ApiClient) -> Self {
        Readiness { client }
    }

    /// Fetches the keys of the configured issuers, and tries again every second until the instance is ready.
    /// A start need not wait for it, nor fail while the tenant is away. The back-off of the client bounds the
    /// requests that it sends.
    ///
    /// # Panics
    ///
    /// Outside a `tokio` runtime, and in one whose timer is not enabled.
    pub async fn warm_up(self) {
        while self.client.warm_up().await.is_err() && !self.client.is_ready() {
            sleep(PAUSE).await;
        }
    }

    fn response(&self) -> Response<String> {
        let (status, body) = match self.client.is_ready() {
            true => (StatusCode::OK, r#"{"status":"ready"}"#),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                r#"{"status":"waiting for keys"}"#,
            ),
        };
        let mut response = Response::new(body.to_owned());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<B> Service<Request<B>> for Readiness {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(self.response()))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Readiness")
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
