//! The async client: `reqwest` with strict settings and limits.

use std::fmt;
use std::future::{pending, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy, Url, retry};
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::runtime::{self, Handle};
use tokio::task::JoinHandle;

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::connect::ConnectionPools;
use crate::message::{self, BodyDecoder};
use crate::tls::{client_config, tls_error};
use crate::{
    AsyncHttpClient, ClientBuilder, MAX_HEADER_SIZE, ResponseFuture, TransportError,
    TransportErrorKind,
};

mod connection;
mod error;

/// An async HTTPS client with limits, over the `reqwest` crate, for programs that run on `tokio`.
/// Needs the feature `reqwest`.
///
/// Clones are cheap and share the connections. The client gives these guarantees:
///
/// - It sends requests to `https` URLs only, and refuses others before it looks up a name.
/// - It follows no redirect: a 3xx is a response like any other.
/// - A status is never an error. Every response keeps its headers and its body.
/// - One [timeout](ClientBuilder::timeout) covers everything from the name lookup to the last
///   byte of the body, so a server cannot prolong it by sending slowly.
/// - The body has a [limit](ClientBuilder::max_body_size), and so do the headers
///   ([`MAX_HEADER_SIZE`]). Reading stops as soon as the body's limit is exceeded. Headers are
///   measured after they were read; until then the library's own limit applies, about 400 KiB and
///   100 fields.
/// - It asks for `gzip`, decodes it, and removes `Content-Encoding` and `Content-Length`, which do
///   not describe the decoded body. The limit counts decoded bytes. The compressed body may exceed
///   the limit only by gzip's overhead, and may have at most 16 gzip members. A body in another
///   content coding, a malformed one, or one in a transfer coding other than `chunked` is an error
///   of kind [`ContentCoding`](TransportErrorKind::ContentCoding).
/// - It sends every request once, with one exception. It repeats a `GET` without a body, on a new
///   connection and within the same time limit, if a reused connection closed before a complete
///   response head arrived. Servers close idle connections, and a client may notice too late. The
///   client does not repeat a `GET` that began a new connection but then used another one, which
///   became idle first.
/// - It keeps no cookies.
/// - It ignores the proxy variables of the environment unless
///   [asked to use them](ClientBuilder::proxy_from_env).
/// - It verifies the server's certificate, against the built-in Mozilla roots or against
///   [others](crate::TrustRoots).
/// - Dropping the future closes the connection.
///
/// The client replaces the request's headers `Content-Length`, `Transfer-Encoding` and
/// `Accept-Encoding` with its own, and drops the extensions of the request and of the response. A
/// user name and a password in the URL become an `Authorization` field of the scheme Basic, as they
/// are written there, unless the request has that field. The client speaks HTTP/1.1. For each
/// runtime it keeps at most 3 idle connections to one host, for 15 seconds.
///
/// # Notes
///
/// - Only the runtime that opened a connection uses it, because a connection makes no progress
///   while its runtime is not driven. A client keeps the connections of up to 512 runtimes; beyond
///   that it drops those of the least recently used runtime.
/// - A forked process leaves the idle connections to its parent and opens its own. It needs its own
///   runtime, and must not drop an inherited one, because both share an `epoll` instance. Do not
///   fork while another thread begins or ends an exchange: the child can inherit a lock that nobody
///   releases, and its exchanges then block forever.
/// - The first poll decides which `tokio` runtime an exchange belongs to. Later polls may come from
///   anywhere, while that runtime is driven. Without a runtime, or after its end, the exchange fails
///   with an error of kind [`Other`](TransportErrorKind::Other).
/// - The runtime needs time and I/O enabled, as `Builder::enable_all` does. `tokio` does not say
///   whether they are: it panics. The client catches the panic, and the exchange fails with an error
///   of kind [`Other`](TransportErrorKind::Other), but the panic hook has printed it, and a program
///   built with `panic = "abort"` ends.
/// - Each name lookup runs on a short-lived thread. A lookup that hangs keeps its thread until the
///   system gives up, even after the exchange has timed out. Only the number of exchanges that the
///   caller starts bounds the number of such threads.
/// - If no thread or file descriptor is left, the exchange fails with an error of kind
///   [`Exhausted`](TransportErrorKind::Exhausted).
/// - The thread that polls the future decodes `gzip` bodies. The limit on the body bounds this
///   work.
/// - TLS uses `ring`, regardless of what other crates of the program enable or install.
/// - No library of the client logs a header value or a body, at any level of the `log` crate.
/// - The client resolves dot segments in a URL's path before it sends the request.
///
/// # Example
///
/// ```no_run
/// use a0_http::{AsyncHttpClient, ReqwestClient};
/// use std::time::Duration;
///
/// # async fn status() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ReqwestClient::builder().timeout(Duration::from_secs(3)).build();
/// let request = http::Request::get("https://server.example/status").body(Vec::new())?;
/// let response = client.exchange(request).await?;
/// println!("{}: {} bytes", response.status(), response.body().len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestClient {
    shared: Arc<Shared>,
    timeout: Duration,
    max_body_size: usize,
}

struct Shared {
    template: Result<ClientTemplate, TransportError>,
    /// One client for each runtime, because a connection makes no progress while the runtime that
    /// opened it is not driven. A new runtime may get the id of one that has ended; the connections
    /// of that one are closed.
    clients: ConnectionPools<runtime::Id, Result<Client, TransportError>>,
}

impl ReqwestClient {
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

    async fn run(
        &self,
        request: Request<Vec<u8>>,
        runtime: Handle,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        if self.timeout.is_zero() {
            return Err(TransportErrorKind::Timeout.into()); // tokio would round it up
        }
        let started = Instant::now();
        let mut request = message::prepare(request);
        *request.version_mut() = Version::HTTP_11;
        if message::has_body(&request) {
            let length = HeaderValue::from(request.body().len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let repeat = message::is_repeatable(&request).then(|| request.clone());

        let client = self.shared.client(&runtime)?;
        let exchange = client.execute(request.try_into().map_err(error::from_reqwest)?);
        let (mut result, has_connected) = connection::watch(exchange).await;
        if let (Err(error), false, Some(repeat)) = (&result, has_connected, repeat)
            && error::is_closed_connection(error)
        {
            let remaining = message::remaining_time(self.timeout, started.elapsed())?;
            let mut repeat: reqwest::Request = repeat.try_into().map_err(error::from_reqwest)?;
            *repeat.timeout_mut() = Some(remaining);
            // A new client has no connection to reuse.
            result = self.shared.template()?.client()?.execute(repeat).await;
        }
        self.read(result.map_err(error::from_reqwest)?).await
    }

    async fn read(
        &self,
        mut received: reqwest::Response,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        if header_size(received.headers()) > MAX_HEADER_SIZE {
            return Err(TransportErrorKind::HeaderTooLarge.into());
        }
        let mut response = Response::new(Vec::new());
        *response.status_mut() = received.status();
        *response.headers_mut() = mem::take(received.headers_mut());
        let mut decoder = BodyDecoder::new(response.headers(), self.max_body_size);
        while let Some(chunk) = received.chunk().await.map_err(error::from_reqwest)? {
            decoder.push(&chunk)?;
        }
        *response.body_mut() = decoder.finish(response.headers_mut())?;
        Ok(response)
    }
}

/// Returns the size of the headers in bytes, without separators and line breaks.
fn header_size(headers: &HeaderMap) -> usize {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len().saturating_add(value.len())
    };
    headers.iter().map(field).fold(0, usize::saturating_add)
}

impl AsyncHttpClient for ReqwestClient {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        // The first poll decides which runtime the exchange belongs to.
        let exchange = async {
            let runtime = Handle::try_current()
                .map_err(|cause| TransportError::new(TransportErrorKind::Other, cause))?;
            let mut run = Box::pin(self.run(request, runtime.clone()));
            let sign_of_life = SignOfLife::new(&runtime);
            poll_fn(move |context| {
                if sign_of_life.has_ended() {
                    let cause = "the runtime of the exchange has ended";
                    let error = TransportError::new(TransportErrorKind::Other, cause);
                    return Poll::Ready(Err(error));
                }
                // Later polls may come from another runtime or from none, where tokio panics.
                let _entered = runtime.enter();
                run.as_mut().poll(context)
            })
            .await
        };
        let mut exchange = Box::pin(exchange);
        Box::pin(poll_fn(move |context| {
            let poll = AssertUnwindSafe(|| exchange.as_mut().poll(context));
            catch_unwind(poll).unwrap_or_else(|_| {
                let cause =
                    "the HTTP client panicked; are time and network enabled in the runtime?";
                let error = TransportError::new(TransportErrorKind::Other, cause);
                Poll::Ready(Err(error))
            })
        }))
    }
}

/// Tells whether a runtime has ended. Its timers panic from then on, and no method says so. It drops
/// the tasks first.
struct SignOfLife(JoinHandle<()>);

impl SignOfLife {
    fn new(runtime: &Handle) -> Self {
        SignOfLife(runtime.spawn(pending()))
    }

    fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for SignOfLife {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Buildable for ReqwestClient {
    type Proxy = Proxy;

    fn proxy(url: &str, no_proxy: &[&str]) -> Option<Proxy> {
        let url = Url::parse(url).ok()?;
        // reqwest silently ignores a proxy that does not parse as this type, and connects directly.
        url.as_str().parse::<http::Uri>().ok()?;
        let proxy = Proxy::all(url).ok()?;
        Some(proxy.no_proxy(NoProxy::from_string(&no_proxy.join(","))))
    }

    fn from_builder(options: ClientBuilder<Self>) -> Self {
        let (timeout, max_body_size) = (options.timeout, options.max_body_size);
        let shared = Shared {
            template: ClientTemplate::new(options),
            clients: ConnectionPools::new(),
        };
        Self {
            shared: Arc::new(shared),
            timeout,
            max_body_size,
        }
    }
}

impl Shared {
    /// Returns the client whose connections belong to `runtime`.
    fn client(&self, runtime: &Handle) -> Result<Client, TransportError> {
        let template = self.template()?;
        self.clients.get(runtime.id(), || template.client())
    }

    fn template(&self) -> Result<&ClientTemplate, TransportError> {
        self.template.as_ref().map_err(TransportError::clone)
    }
}

/// The settings of every client.
struct ClientTemplate {
    tls: ClientConfig,
    timeout: Duration,
    proxy: Option<Proxy>,
}

impl ClientTemplate {
    fn new(options: ClientBuilder<ReqwestClient>) -> Result<Self, TransportError> {
        Ok(Self {
            tls: client_config(options.roots, Arc::new(ring::default_provider()))?,
            timeout: options.timeout,
            proxy: options.proxy,
        })
    }

    /// Creates a client. Fails if reqwest links a different version of rustls.
    fn client(&self) -> Result<Client, TransportError> {
        // Spells out the defaults that matter, so that neither a new version of reqwest nor a
        // feature that another crate enables can change them.
        let mut builder = Client::builder()
            .https_only(true)
            .redirect(Policy::none())
            .retry(retry::never())
            .timeout(self.timeout)
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_hickory_dns()
            .dns_resolver(connection::ThreadResolver)
            .connector_layer(connection::WatchLayer)
            .http1_only()
            // It would log every byte at TRACE.
            .connection_verbose(false)
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .pool_idle_timeout(MAX_IDLE_AGE)
            .tls_backend_preconfigured(self.tls.clone());
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().map_err(tls_error)
    }
}

impl Default for ReqwestClient {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ReqwestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestClient")
            .field("timeout", &self.timeout)
            .field("max_body_size", &self.max_body_size)
            .finish_non_exhaustive()
    }
}
