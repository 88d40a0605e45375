//! The blocking client: `ureq` with strict settings and limits.

use std::fmt;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use ureq::config::Config;
use ureq::{Agent, Body, Proxy};

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::connect::ConnectionPools;
use crate::message::{self, BodyDecoder};
use crate::tls::client_config;
use crate::{ClientBuilder, HttpClient, MAX_HEADER_SIZE, TransportError, TransportErrorKind};

use hidden::Exchange;

mod connection;
mod error;
mod hidden;
mod masking;
mod response_mask;
mod tls;

/// A blocking HTTPS client with limits, over the `ureq` crate. Needs the feature `ureq`, which is on
/// by default.
///
/// Clones are cheap and share the connections. The client gives these guarantees:
///
/// - It sends requests to `https` URLs only, and refuses others before it looks up a name.
/// - It follows no redirect: a 3xx is a response like any other.
/// - A status is never an error. Every response keeps its headers and its body.
/// - One [timeout](ClientBuilder::timeout) covers everything from the name lookup to the last
///   byte of the body, so a server cannot prolong it by sending slowly.
/// - The body has a [limit](ClientBuilder::max_body_size), and so do the headers
///   ([`MAX_HEADER_SIZE`]). Reading stops as soon as a limit is exceeded.
/// - It asks for `gzip`, decodes it, and removes `Content-Encoding` and `Content-Length`, which do
///   not describe the decoded body. The limit counts decoded bytes. The compressed body may exceed
///   the limit only by gzip's overhead, and may have at most 16 gzip members. A body in another
///   content coding, a malformed one, or one in a transfer coding other than `chunked` is an error
///   of kind [`ContentCoding`](TransportErrorKind::ContentCoding).
/// - It sends every request once, with one exception. It repeats a `GET` without a body, on a new
///   connection and within the same time limit, if a reused connection closed before the first byte
///   of the response arrived. Servers close idle connections, and a client may notice too late.
/// - It keeps no cookies.
/// - It ignores the proxy variables of the environment unless
///   [asked to use them](ClientBuilder::proxy_from_env).
/// - It verifies the server's certificate, against the built-in Mozilla roots or against
///   [others](crate::TrustRoots).
///
/// The client replaces the request's headers `Content-Length`, `Transfer-Encoding` and
/// `Accept-Encoding` with its own, and drops the extensions of the request and of the response. A
/// user name and a password in the URL become an `Authorization` field of the scheme Basic, as they
/// are written there, unless the request has that field. The client speaks HTTP/1.1. It keeps at
/// most 10 idle connections for 15 seconds, at most 3 of them to one host.
///
/// # Notes
///
/// - Every exchange looks the name up, even if it reuses a connection.
/// - Each name lookup runs on a short-lived thread. A lookup that hangs keeps its thread until the
///   system gives up, even after the exchange has timed out. Only the number of exchanges that the
///   caller starts bounds the number of such threads.
/// - If no thread or file descriptor is left, the exchange fails with an error of kind
///   [`Exhausted`](TransportErrorKind::Exhausted).
/// - A forked process leaves the idle connections to its parent and opens its own. Do not fork
///   while another thread begins or ends an exchange: the child can inherit a lock that nobody
///   releases, and its exchanges then block forever.
/// - TLS uses the process-wide crypto provider of `rustls` if the program installed one, and `ring`
///   otherwise.
/// - Cargo features of `ureq` that other crates of the program enable do not change the client: it
///   hides `Content-Encoding` and `Set-Cookie` from `ureq`.
/// - `ureq` logs every byte that it sees at the level `TRACE` of the `log` crate. The client lets it
///   see no `Authorization`, `Cookie`, `DPoP` or `Proxy-Authorization`, no other header value that
///   is marked as sensitive, and no body. It sees the URL, the other headers of the request and the
///   headers of the response.
/// - A body without a length is complete when TLS ends. If the connection ends without
///   `close_notify`, the exchange fails with an error of kind [`Io`](TransportErrorKind::Io).
///
/// # Example
///
/// ```no_run
/// use a0_http::{HttpClient, UreqClient};
/// use std::time::Duration;
///
/// let client = UreqClient::builder().timeout(Duration::from_secs(3)).build();
/// let request = http::Request::get("https://server.example/status").body(Vec::new())?;
/// let response = client.exchange(request)?;
/// println!("{}: {} bytes", response.status(), response.body().len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UreqClient {
    config: Config,
    tls: Result<Arc<ClientConfig>, TransportError>,
    /// Each agent has its own connections. One per process is enough, so the key is `()`.
    agents: Arc<ConnectionPools<(), Agent>>,
    timeout: Duration,
    max_body_size: usize,
}

impl UreqClient {
    /// Creates a client with the default limits, [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT) and
    /// [`DEFAULT_MAX_BODY_SIZE`](crate::DEFAULT_MAX_BODY_SIZE).
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns a builder, to set limits, root certificates or a proxy.
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::new()
    }

    fn run(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        let started = Instant::now();
        let mut request = message::prepare(request);
        let repeat = message::is_repeatable(&request).then(|| request.clone().map(|_| ()));
        let tls = self.tls.as_ref().map_err(TransportError::clone)?;
        let agent = self.agents.get((), || {
            let has_proxy = self.config.proxy().is_some();
            let max_response = max_response_size(self.max_body_size);
            let connector = connection::WatchingConnector::new(tls, has_proxy, max_response);
            Agent::with_parts(self.config.clone(), connector, connection::ThreadResolver)
        });

        let exchange = Exchange::begin();
        exchange.hide(request.headers_mut());
        let mut result = if message::has_body(&request) {
            agent.run(request)
        } else {
            agent.run(request.map(|_| ()))
        };
        if let (Err(error), Some(mut repeat)) = (&result, repeat)
            && error::is_stale(error)
        {
            exchange.hide(repeat.headers_mut());
            let remaining = message::remaining_time(self.timeout, started.elapsed())?;
            let repeat = agent
                .configure_request(repeat)
                .timeout_global(Some(remaining))
                // No idle connection is that young, so ureq makes a new one.
                .max_idle_age(Duration::ZERO)
                .build();
            result = agent.run(repeat);
        }

        let (mut parts, body) = result.map_err(error::from_ureq)?.into_parts();
        parts.extensions.clear();
        response_mask::restore_names(&mut parts.headers);
        let mut decoder = BodyDecoder::new(&parts.headers, self.max_body_size);
        read(body, &exchange, &mut decoder)?;
        let body = decoder.finish(&mut parts.headers)?;
        Ok(Response::from_parts(parts, body))
    }
}

fn read(body: Body, exchange: &Exchange, decoder: &mut BodyDecoder) -> Result<(), TransportError> {
    let mut reader = body.into_reader();
    let mut chunk = vec![0; 8 * 1024];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                decoder.push(&exchange.reveal_body(chunk.get(..length).unwrap_or(&[]))?)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error::from_ureq(error.into())),
        }
    }
}

/// The number of bytes that may arrive for one request: a body in chunks of one byte, which take
/// six each, a head, and interim responses.
fn max_response_size(max_body_size: usize) -> usize {
    let body = message::max_encoded_size(max_body_size).saturating_mul(8);
    body.saturating_add(2 * MAX_HEADER_SIZE)
}

impl Buildable for UreqClient {
    type Proxy = Proxy;

    fn proxy(url: &str, no_proxy: &[&str]) -> Option<Proxy> {
        let parsed = Proxy::new(url).ok()?;
        let mut builder = Proxy::builder(parsed.protocol())
            .host(parsed.host())
            .port(parsed.port());
        if let Some(username) = parsed.username() {
            builder = builder.username(username);
        }
        if let Some(password) = parsed.password() {
            builder = builder.password(password);
        }
        for host in no_proxy {
            builder = builder.no_proxy(host);
        }
        builder.build().ok()
    }

    fn from_builder(options: ClientBuilder<Self>) -> Self {
        // Spells out the defaults that matter, so that a new version of ureq cannot change them.
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
            .build();
        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
        Self {
            config,
            tls: client_config(options.roots, provider).map(Arc::new),
            agents: Arc::new(ConnectionPools::new()),
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
