//! A tenant in memory, an API on a socket, and an HTTP client.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_testkit::{AccessTokenBuilder, LocalTenant, ProofKey};
use auth0_api::Builder;
use auth0_api::asynchronous::ApiClient;
use auth0_api::proof::NonceIssuer;
use axum::Router;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;

pub const AUDIENCE: &str = "https://api.example/";
pub const PUBLIC_URL: &str = "https://api.example";

/// The time at which every test begins, in seconds since 1970.
pub const NOW: i64 = 1_700_000_000;

pub fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    tenant
}

pub fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

/// Options for a client that asks the tenant in memory and has its clock.
pub fn builder(tenant: &LocalTenant) -> Builder {
    let (clock, handle) = (tenant.clone(), tenant.client());
    ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url(PUBLIC_URL)
        .clock(move || clock.now())
        .async_http_client(move |request| {
            let handle = handle.clone();
            async move { handle(request) }
        })
}

pub fn client(tenant: &LocalTenant) -> ApiClient {
    builder(tenant).build_async().unwrap()
}

pub fn nonces() -> NonceIssuer {
    NonceIssuer::new([7; 32], Duration::from_secs(300))
}

pub fn token(tenant: &LocalTenant) -> AccessTokenBuilder {
    tenant.access_token().audience(AUDIENCE)
}

/// The fields of a request with a bearer token.
pub fn bearer(token: &str) -> Vec<(&'static str, String)> {
    vec![("authorization", format!("Bearer {token}"))]
}

/// The fields of a `GET` request with a proof for a URL.
pub fn dpop(tenant: &LocalTenant, key: &ProofKey, url: &str) -> Vec<(&'static str, String)> {
    let token = token(tenant).bound_to(key).mint().unwrap();
    let proof = key.proof("GET", url).for_token(&token).issued_at(NOW);
    let authorization = ("authorization", format!("DPoP {token}"));
    vec![authorization, ("dpop", proof.mint().unwrap())]
}

/// An API on a loopback socket, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    agent: ureq::Agent,
    runtime: Runtime,
}

impl Server {
    pub fn start(app: Router) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        runtime.spawn(axum::serve(listener, app).into_future());
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .allow_non_standard_methods(true)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        Server {
            address,
            agent,
            runtime,
        }
    }

    pub fn get(&self, path: &str, fields: &[(&'static str, String)]) -> Answer {
        self.send(Method::GET, path, fields)
    }

    pub fn send(&self, method: Method, path: &str, fields: &[(&'static str, String)]) -> Answer {
        let uri = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        self.run(request.body(()).unwrap()).unwrap()
    }

    /// Fails if the server closes the connection without an answer.
    pub fn run(&self, request: Request<()>) -> Result<Answer, ureq::Error> {
        let response = self.agent.run(request)?;
        let (parts, mut body) = response.into_parts();
        let body = body.read_to_string()?;
        Ok(Answer(Response::from_parts(parts, body)))
    }
}

/// The answer of a server.
pub struct Answer(pub Response<String>);

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    pub fn text(&self) -> &str {
        self.0.body()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.0.body()).unwrap()
    }

    pub fn challenges(&self) -> Vec<&str> {
        let values = self.0.headers().get_all("www-authenticate");
        values.iter().map(|value| value.to_str().unwrap()).collect()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.0.headers().get(name)?;
        Some(value.to_str().unwrap())
    }
}
