//! The blocking client: `ureq`, with what it leaves open by default closed.

use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use ureq::config::Config;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body, Proxy};

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::coding::{self, Incoming};
use crate::pools::Pools;
use crate::{
    ClientBuilder, HttpClient, MAX_HEADER_SIZE, TransportError, TransportErrorKind, request,
};

mod connection;
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
/// - It asks for `gzip`, decodes it, and removes `Content-Encoding` and `Content-Length` from the
///   decoded answer, which they no longer describe. The limit counts decoded bytes. The compressed
///   body may exceed the limit only by gzip's overhead, and may have 16 gzip members. A body in
///   another content coding, a damaged one, or one in a transfer coding other than `chunked` is an
///   error of kind [`ContentCoding`](TransportErrorKind::ContentCoding).
/// - Every request is sent once, with one exception: a `GET` without a body is sent a second time,
///   on a new connection and within the same time limit, if it went over a kept connection and that
///   closed before the first byte of a response arrived. Servers close idle connections, and a client
///   may notice too late.
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
/// - The name is looked up for every exchange, even if it uses a kept connection.
/// - Each name lookup takes a short-lived thread. A lookup that hangs keeps its thread until the
///   system gives up, after the exchange has timed out. The number of such threads is bounded only
///   by the number of exchanges that the caller starts.
/// - Where no thread or file descriptor is left, the exchange is an error of kind
///   [`Exhausted`](TransportErrorKind::Exhausted).
/// - A process that is forked off leaves the kept connections to its parent and opens its own. Do not
///   fork while another thread begins or ends an exchange: the child can inherit a lock that nobody
///   releases, and its exchanges then block forever.
/// - Cryptography for TLS is the process-wide default of `rustls` if the program installed one, and
///   `ring` otherwise. Cargo features of other crates have no say in it.
/// - Cargo unifies features. If another crate of the program switches `ureq`'s feature `cookies`
///   on, cookies are kept after all. With its feature `gzip`, `ureq` decodes before this client
///   does, and with `brotli` it decodes the coding `br` too, though that is not asked for. The limit
///   on the decoded body stays the same, but these differ:
///   - A body of length zero with such a coding is an error, unless the request is a `HEAD` or the
///     status is 204 or 304.
///   - `ureq` heeds only the first of several `Content-Encoding` lines, and removes them all: a body
///     that was encoded twice may be returned decoded once.
///   - Gzip members are not counted, and the encoded body may have about eight times the limit, plus
///     128 KiB.
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
    config: Config,
    /// The agent that keeps the connections. It needs no key besides the process.
    agents: Arc<Pools<(), Agent>>,
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
        let started = Instant::now();
        let request = request::bare(request);
        let may_have_body = request.method() != Method::HEAD;
        let again = request::is_repeatable(&request).then(|| request.clone().map(|_| ()));
        let agent = self.agents.get((), || {
            connection::agent(self.config.clone(), most_that_arrives(self.max_body_size))
        });

        let mut answer = if request::has_body(&request) {
            agent.run(request)
        } else {
            agent.run(request.map(|_| ()))
        };
        if let (Err(error), Some(again)) = (&answer, again)
            && connection::is_stale(error)
        {
            let left = request::time_left(self.timeout, started.elapsed())?;
            let again = agent
                .configure_request(again)
                .timeout_global(Some(left))
                // No kept connection is that young, so a new one is made.
                .max_idle_age(Duration::ZERO)
                .build();
            answer = agent.run(again);
        }

        let (mut parts, body) = answer.map_err(failure::from_ureq)?.into_parts();
        parts.extensions.clear();
        let mut incoming = Incoming::new(&parts.headers, self.max_body_size);
        // With its feature `gzip`, ureq takes an answer without a body for damaged gzip.
        if may_have_body && !matches!(parts.status.as_u16(), 204 | 304) {
            self.read(body, &mut incoming)?;
        }
        let body = incoming.decoded(&mut parts.headers)?;
        Ok(Response::from_parts(parts, body))
    }

    fn read(&self, body: Body, incoming: &mut Incoming) -> Result<(), TransportError> {
        let mut reader = body.into_reader();
        let mut chunk = vec![0; 8 * 1024];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(length) => incoming.push(chunk.get(..length).unwrap_or(&[]))?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure::of_body(error)),
            }
        }
    }
}

/// The bytes that may arrive for one request: a body in chunks of one byte, which take six each, a
/// head, and interim responses. Where ureq decodes the body, nothing else bounds what arrives.
fn most_that_arrives(max_body_size: usize) -> usize {
    let body = coding::most_encoded(max_body_size).saturating_mul(8);
    body.saturating_add(2 * MAX_HEADER_SIZE)
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
            .user_agent(USER_AGENT)
            .max_idle_connections(10)
            .max_idle_connections_per_host(MAX_IDLE_PER_HOST)
            .max_idle_age(MAX_IDLE_AGE)
            .tls_config(tls)
            .build();
        Self {
            config,
            agents: Arc::new(Pools::new()),
            timeout: options.timeout,
            max_body_size: options.max_body_size,
        }
    }
}

impl HttpClient for UreqClient {
    fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        catch_unwind(AssertUnwindSafe(|| self.run(request))).unwrap_or_else(|_| {
            let cause = "the HTTP client panicked";
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
