//! The blocking client: `ureq`, with what it leaves open by default closed.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::{Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Proxy};

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::{
    ClientBuilder, HttpClient, MAX_HEADER_SIZE, TransportError, TransportErrorKind, request,
};

mod failure;

/// A blocking HTTPS client with limits, over the `ureq` crate.
///
/// Clones are cheap and share the connections. What it does, and what it never does:
///
/// - `https` only. Another scheme is refused before a name is looked up.
/// - No redirect is followed: a 3xx is an answer like any other.
/// - A status is never an error; headers and body are kept.
/// - One [timeout](ClientBuilder::timeout) covers everything from the name lookup to the last
///   byte of the body, so a server that sends a byte now and then gains nothing.
/// - The body has a [limit](ClientBuilder::max_body_size), and so do the headers
///   ([`MAX_HEADER_SIZE`]). Reading stops when a limit is passed.
/// - It asks for no compression: `Accept-Encoding` is never sent. A body that comes compressed all
///   the same is handed on as it came, and the limit counts the bytes that are handed on.
/// - It keeps no cookies.
/// - The proxy variables of the environment are ignored unless
///   [asked for](ClientBuilder::proxy_from_env).
/// - The server's certificate is verified, against the Mozilla roots that are built in, or against
///   [your own](ClientBuilder::root_certificates_pem).
///
/// Of the request's headers `Content-Length`, `Transfer-Encoding` and `Accept-Encoding` are
/// replaced by the client's own choice. The request's and the answer's extensions are dropped.
/// HTTP/1.1 is spoken. At most 10 idle connections are kept, 3 of them for one host, for 15
/// seconds.
///
/// # Good to know
///
/// - Each name lookup under a timeout takes a short-lived thread. A lookup that hangs keeps its
///   thread until the system gives up, after the exchange has timed out; there is no other bound
///   to such threads than the caller's own restraint in starting exchanges.
/// - Where no thread can be made, `ureq` panics. The exchange catches that and is an error of kind
///   [`Other`](TransportErrorKind::Other), unless the program is built with `panic = "abort"`.
/// - Cryptography for TLS is the process-wide default of `rustls` if the program installed one, and
///   `ring` otherwise. Cargo features of other crates have no say in it.
/// - Cargo unifies features: if another crate of the program switches `ureq`'s feature `cookies`
///   on, cookies are kept after all, and with its feature `gzip` a compressed body is decoded
///   (the limit then counts decoded bytes).
///
/// # Example
///
/// ```no_run
/// use a0_http::{HttpClient, UreqClient};
/// use std::time::Duration;
///
/// let client = UreqClient::builder().timeout(Duration::from_secs(3)).build();
/// let request = http::Request::get("https://server.example/status").body(Vec::new())?;
/// let answer = client.exchange(request)?;
/// println!("{}: {} bytes", answer.status(), answer.body().len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UreqClient {
    agent: Agent,
    timeout: Duration,
    max_body_size: usize,
}

impl UreqClient {
    /// A client with the default limits: see [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT) and
    /// [`DEFAULT_MAX_BODY_SIZE`](crate::DEFAULT_MAX_BODY_SIZE).
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts a client with limits or roots of its own.
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::new()
    }

    fn run(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        let request = request::bare(request);
        let answer = if request::has_body(&request) {
            self.agent.run(request)
        } else {
            self.agent.run(request.map(|_| ()))
        };

        let (mut parts, body) = answer.map_err(failure::from_ureq)?.into_parts();
        parts.extensions.clear();
        let body = self.read(body)?;
        Ok(Response::from_parts(parts, body))
    }

    fn read(&self, body: ureq::Body) -> Result<Vec<u8>, TransportError> {
        // One byte over the limit tells a body that passes it from one that just fits.
        let enough = u64::try_from(self.max_body_size)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let mut bytes = Vec::new();
        body.into_reader()
            .take(enough)
            .read_to_end(&mut bytes)
            .map_err(|error| failure::from_ureq(error.into()))?;
        if bytes.len() > self.max_body_size {
            return Err(TransportErrorKind::BodyTooLarge.into());
        }
        Ok(bytes)
    }
}

impl Buildable for UreqClient {
    type Proxy = Proxy;

    fn proxy(url: &str, exceptions: &str) -> Option<Proxy> {
        let named = Proxy::new(url).ok()?;
        let mut builder = Proxy::builder(named.protocol())
            .host(named.host())
            .port(named.port());
        if let Some(username) = named.username() {
            builder = builder.username(username);
        }
        if let Some(password) = named.password() {
            builder = builder.password(password);
        }
        for exception in exceptions.split(',') {
            builder = builder.no_proxy(exception);
        }
        builder.build().ok()
    }

    fn with(options: ClientBuilder<Self>) -> Self {
        let roots = match &options.roots {
            None => RootCerts::WebPki,
            Some(roots) => roots
                .iter()
                .map(|root| Certificate::from_der(root).to_owned())
                .collect::<Vec<_>>()
                .into(),
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .build();
        // Defaults that matter are written out, so that none can change under this client.
        let config = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(options.timeout))
            .max_response_header_size(MAX_HEADER_SIZE)
            .proxy(options.proxy)
            .accept_encoding("")
            .user_agent(USER_AGENT)
            .max_idle_connections(10)
            .max_idle_connections_per_host(MAX_IDLE_PER_HOST)
            .max_idle_age(MAX_IDLE_AGE)
            .tls_config(tls)
            .build();
        Self {
            agent: Agent::new_with_config(config),
            timeout: options.timeout,
            max_body_size: options.max_body_size,
        }
    }
}

impl HttpClient for UreqClient {
    fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        catch_unwind(AssertUnwindSafe(|| self.run(request))).unwrap_or_else(|_| {
            let cause = "the HTTP client panicked; is the process out of threads?";
            Err(TransportError::new(TransportErrorKind::Other, cause))
        })
    }
}

impl Default for UreqClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for UreqClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqClient")
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}
