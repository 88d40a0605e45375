//! Serves the protected resource metadata of an API (RFC 9728).

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use auth0_api::ProtectedResourceMetadata;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

const METHODS: &str = "GET, HEAD, OPTIONS";

/// How long a client may keep the document by default. It changes only with a deployment.
const MAX_AGE: Duration = Duration::from_secs(3600);

/// Serves the protected resource metadata of an API (RFC 9728 section 3) at its well-known path, to everybody:
/// without a token, to pages of every origin, and while the tenant is away.
///
/// It is a tower service for requests with any body, and [`router`](Self::router) has its routes for axum. Put
/// it outside of [`Auth`](crate::Auth). The methods are `GET`, `HEAD` and `OPTIONS`; others are 405, and other
/// paths are 404.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use a0_tower::{Auth, MetadataService};
/// use auth0_api::{ProtectedResource, asynchronous::ApiClient};
/// use axum::{Router, routing::get};
///
/// let client = ApiClient::builder()
///     .domain("tenant.eu.auth0.com")
///     .audience("https://api.example/orders")
///     .protected_resource(ProtectedResource::new("https://api.example/orders"))
///     .build_async()?;
/// let metadata = client.protected_resource_metadata().ok_or("no protected_resource")?;
/// let metadata = MetadataService::new(metadata);
///
/// let app: Router = Router::new()
///     .route("/orders", get(|| async { "all orders" }))
///     .route_layer(Auth::new(client))
///     .merge(metadata.router());
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MetadataService(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    metadata: ProtectedResourceMetadata,
    at_root: bool,
    max_age: Duration,
}

impl MetadataService {
    /// Serves the document at the path that is derived from its resource.
    pub fn new(metadata: &ProtectedResourceMetadata) -> Self {
        MetadataService(Arc::new(Settings {
            metadata: metadata.clone(),
            at_root: false,
            max_age: MAX_AGE,
        }))
    }

    /// Also serves the document at `/.well-known/oauth-protected-resource`, where some MCP clients ask first.
    /// Only one resource of a host can be there.
    #[must_use]
    pub fn also_at_root(mut self) -> Self {
        Arc::make_mut(&mut self.0).at_root = true;
        self
    }

    /// How long clients may keep the document, in whole seconds; one hour by default.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        Arc::make_mut(&mut self.0).max_age = max_age;
        self
    }

    /// The response to a request, for servers without tower; `None` if the path is not that of the document.
    /// Nothing is decoded.
    ///
    /// ```
    /// # fn answer(metadata: &auth0_api::ProtectedResourceMetadata) -> Option<()> {
    /// use a0_tower::MetadataService;
    /// use http::Method;
    ///
    /// let service = MetadataService::new(metadata);
    /// let response = service.response(&Method::GET, metadata.path())?;
    /// assert_eq!(response.headers()["content-type"], "application/json");
    /// # Some(())
    /// # }
    /// ```
    pub fn response(&self, method: &Method, path: &str) -> Option<Response<String>> {
        let metadata = &self.0.metadata;
        let is_here = path == metadata.path() || self.0.at_root && path == metadata.root_path();
        is_here.then(|| self.answer(method))
    }

    fn answer(&self, method: &Method) -> Response<String> {
        let json = self.0.metadata.json();
        let (status, body, own) = match *method {
            Method::GET => (StatusCode::OK, json, self.document_fields().to_vec()),
            Method::HEAD => (StatusCode::OK, "", self.document_fields().to_vec()),
            Method::OPTIONS => (StatusCode::NO_CONTENT, "", preflight_fields().to_vec()),
            _ => (StatusCode::METHOD_NOT_ALLOWED, "", vec![allow()]),
        };
        let mut response = Response::new(body.to_owned());
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.extend(own);
        fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }

    fn document_fields(&self) -> [(HeaderName, HeaderValue); 3] {
        let max_age = format!("public, max-age={}", self.0.max_age.as_secs());
        let max_age = HeaderValue::from_str(&max_age);
        [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CONTENT_LENGTH, self.0.metadata.json().len().into()),
            // Digits are always a valid value.
            (
                CACHE_CONTROL,
                max_age.unwrap_or(HeaderValue::from_static("no-cache")),
            ),
        ]
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let metadata = &self.0.metadata;
        let root = Some(metadata.root_path());
        let root = root.filter(|root| self.0.at_root && *root != metadata.path());
        std::iter::once(metadata.path()).chain(root)
    }

    /// The routes of the document, for `Router::merge`. Do not nest them: the path begins at the host. If a
    /// segment of the path begins with `:` or `*`, the other router must be one `without_v07_checks` too.
    #[cfg(feature = "axum")]
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        // The checks for the syntax of older versions panic at a path such as `/:mcp`.
        let router = axum::Router::new().without_v07_checks();
        self.paths().fold(router, |router, path| {
            let literal = path.replace('{', "{{").replace('}', "}}");
            router.route_service(&literal, self.clone())
        })
    }
}

fn allow() -> (HeaderName, HeaderValue) {
    (ALLOW, HeaderValue::from_static(METHODS))
}

/// The answer to a preflight. MCP clients in browsers send a field of their own, so any field is allowed.
fn preflight_fields() -> [(HeaderName, HeaderValue); 4] {
    [
        allow(),
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        ),
        (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*")),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
    ]
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.response(request.method(), request.uri().path());
        ready(Ok(response.unwrap_or_else(not_found)))
    }
}

fn not_found() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl fmt::Debug for MetadataService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&str> = self.paths().collect();
        formatter
            .debug_struct("MetadataService")
            .field("paths", &paths)
            .finish_non_exhaustive()
    }
}
