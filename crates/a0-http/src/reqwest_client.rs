//! The async client: `reqwest`, with what it leaves open by default closed.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy, Url, retry};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{self, Handle};

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::coding::Incoming;
use crate::pools::Pools;
use crate::{
    AsyncHttpClient, ClientBuilder, MAX_HEADER_SIZE, ResponseFuture, TransportError,
    TransportErrorKind, request,
};

mod connection;
mod failure;

/// An async HTTPS client with limits, over the `reqwest` crate, for programs that run on `tokio`.
///
/// Clones are cheap and share the connections. What it does, and what it never does:
///
/// - `https` only. Another scheme is refused before a name is looked up.
/// - No redirect is followed: a 3xx is an answer like any other.
/// - A status is never an error; headers and body are kept.
/// - One [timeout](ClientBuilder::timeout) covers everything from the name lookup to the last
///   byte of the body, so a server that sends a byte now and then gains nothing.
/// - The body has a [limit](ClientBuilder::max_body_size), and so do the headers
///   ([`MAX_HEADER_SIZE`]). Reading stops when the body's limit is passed. Headers are read up to
///   a limit of the library's own, about 400 KiB and 100 fields, before they are measured.
/// - It asks for `gzip`, decodes it, and removes `Content-Encoding` and `Content-Length` from the
///   decoded answer, which they no longer describe. The limit counts decoded bytes. The compressed
///   body may exceed the limit only by gzip's overhead, and may have 16 gzip members. A body in
///   another content coding, a damaged one, or one in a transfer coding other than `chunked` is an
///   error of kind [`ContentCoding`](TransportErrorKind::ContentCoding).
/// - Every request is sent once, with one exception: a `GET` without a body is sent a second time,
///   on a new connection and within the same time limit, if it went over a kept connection and that
///   closed before a complete response head arrived. Servers close idle connections, and a client
///   may notice too late. A `GET` that began a connection of its own, and then went over another that
///   became idle first, is not repeated.
/// - It keeps no cookies.
/// - The proxy variables of the environment are ignored unless
///   [asked for](ClientBuilder::proxy_from_env).
/// - The server's certificate is verified, against the Mozilla roots that are built in, or against
///   [your own](ClientBuilder::root_certificates_pem).
/// - A future that is dropped closes its connection.
///
/// Of the request's headers `Content-Length`, `Transfer-Encoding` and `Accept-Encoding` are
/// replaced by the client's own choice. The request's and the answer's extensions are dropped.
/// HTTP/1.1 is spoken. At most 3 idle connections are kept for one host and runtime, for 15 seconds.
///
/// # Good to know
///
/// - A connection is used by the runtime that opened it and by no other: it would stand still
///   whenever that runtime does. A client keeps the connections of up to 512 runtimes; beyond that it
///   drops those of the runtime that used it longest ago.
/// - A process that is forked off leaves the kept connections to its parent and opens its own. It
///   needs a runtime of its own, and must not drop an inherited one: they share an `epoll` instance.
///   Do not fork while another thread begins or ends an exchange: the child can inherit a lock that
///   nobody releases, and its exchanges then block forever.
/// - An exchange that is polled outside of a `tokio` runtime is an error of kind
///   [`Other`](TransportErrorKind::Other). So is one in a runtime without time or network enabled,
///   unless the program is built with `panic = "abort"`: `tokio` panics then, and the exchange
///   catches it.
/// - Each name lookup takes a short-lived thread. A lookup that hangs keeps its thread until the
///   system gives up, after the exchange has timed out. The number of such threads is bounded only
///   by the number of exchanges that the caller starts.
/// - Where no thread or file descriptor is left, the exchange is an error of kind
///   [`Exhausted`](TransportErrorKind::Exhausted).
/// - A `gzip` body is decoded on the thread that polls the future. The limit bounds that work.
/// - Cryptography for TLS is `ring`, whatever other crates of the program bring or install.
/// - Dot segments in the path of a URL are resolved before it is sent.
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
/// let answer = client.exchange(request).await?;
/// println!("{}: {} bytes", answer.status(), answer.body().len());
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
    recipe: Result<Recipe, TransportError>,
    /// One for each runtime, because a connection stands still while the runtime that opened it
    /// does. A runtime that has ended may leave its id to another; its connections ended with it.
    clients: Pools<runtime::Id, Result<Client, TransportError>>,
}

impl ReqwestClient {
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

    async fn run(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        if self.timeout.is_zero() {
            return Err(TransportErrorKind::Timeout.into()); // tokio would round it up
        }
        let started = Instant::now();
        let runtime = Handle::try_current()
            .map_err(|cause| TransportError::new(TransportErrorKind::Other, cause))?;
        let mut request = request::bare(request);
        *request.version_mut() = Version::HTTP_11;
        if request::has_body(&request) {
            let length = HeaderValue::from(request.body().len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let again = request::is_repeatable(&request).then(|| request.clone());

        let client = self.shared.client(&runtime)?;
        let exchange = client.execute(request.try_into().map_err(failure::from_reqwest)?);
        let (mut answer, has_connected) = connection::watched(exchange).await;
        if let (Err(error), false, Some(again)) = (&answer, has_connected, again)
            && failure::is_closed_connection(error)
        {
            let left = request::time_left(self.timeout, started.elapsed())?;
            let mut again: reqwest::Request = again.try_into().map_err(failure::from_reqwest)?;
            *again.timeout_mut() = Some(left);
            // A new client has no connection to reuse.
            answer = self.shared.recipe()?.client()?.execute(again).await;
        }
        self.read(answer.map_err(failure::from_reqwest)?).await
    }

    async fn read(
        &self,
        mut incoming: reqwest::Response,
    ) -> Result<Response<Vec<u8>>, TransportError> {
        if size(incoming.headers()) > MAX_HEADER_SIZE {
            return Err(TransportErrorKind::HeaderTooLarge.into());
        }
        let mut answer = Response::new(Vec::new());
        *answer.status_mut() = incoming.status();
        *answer.headers_mut() = mem::take(incoming.headers_mut());
        let mut body = Incoming::new(answer.headers(), self.max_body_size);
        while let Some(chunk) = incoming.chunk().await.map_err(failure::from_reqwest)? {
            body.push(&chunk)?;
        }
        *answer.body_mut() = body.decoded(answer.headers_mut())?;
        Ok(answer)
    }
}

/// The bytes of the headers, without the line breaks.
fn size(headers: &HeaderMap) -> usize {
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len().saturating_add(value.len())
    };
    headers.iter().map(field).fold(0, usize::saturating_add)
}

impl AsyncHttpClient for ReqwestClient {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        let mut run = Box::pin(self.run(request));
        Box::pin(poll_fn(move |context| {
            let poll = AssertUnwindSafe(|| run.as_mut().poll(context));
            catch_unwind(poll).unwrap_or_else(|_| {
                let cause =
                    "the HTTP client panicked; are time and network enabled in the runtime?";
                let error = TransportError::new(TransportErrorKind::Other, cause);
                Poll::Ready(Err(error))
            })
        }))
    }
}

impl Buildable for ReqwestClient {
    type Proxy = Proxy;

    fn proxy(url: &str, exceptions: &str) -> Option<Proxy> {
        let url = Url::parse(url).ok()?;
        // What does not pass this as well, reqwest would not use and connect directly.
        url.as_str().parse::<http::Uri>().ok()?;
        let proxy = Proxy::all(url).ok()?;
        Some(proxy.no_proxy(NoProxy::from_string(exceptions)))
    }

    fn with(options: ClientBuilder<Self>) -> Self {
        let (timeout, max_body_size) = (options.timeout, options.max_body_size);
        let shared = Shared {
            recipe: Recipe::new(options),
            clients: Pools::new(),
        };
        Self {
            shared: Arc::new(shared),
            timeout,
            max_body_size,
        }
    }
}

impl Shared {
    /// The client whose connections belong to `runtime`.
    fn client(&self, runtime: &Handle) -> Result<Client, TransportError> {
        let recipe = self.recipe()?;
        self.clients.get(runtime.id(), || recipe.client())
    }

    fn recipe(&self) -> Result<&Recipe, TransportError> {
        self.recipe.as_ref().map_err(TransportError::clone)
    }
}

/// What each of the clients is made of.
struct Recipe {
    tls: ClientConfig,
    timeout: Duration,
    proxy: Option<Proxy>,
}

impl Recipe {
    fn new(options: ClientBuilder<ReqwestClient>) -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        match options.roots {
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Some(own) => {
                roots.add_parsable_certificates(own);
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls,
            timeout: options.timeout,
            proxy: options.proxy,
        })
    }

    /// Fails if reqwest links a different rustls.
    fn client(&self) -> Result<Client, TransportError> {
        // Defaults that matter are written out, so that none can change under this client, and no
        // feature that another crate switches on changes it.
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
            .dns_resolver(connection::Lookup)
            .connector_layer(connection::Watch)
            .http1_only()
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .pool_idle_timeout(MAX_IDLE_AGE)
            .tls_backend_preconfigured(self.tls.clone());
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().map_err(unusable)
    }
}

fn unusable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new(TransportErrorKind::Tls, cause)
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
