//! The async client: `reqwest`, with what it leaves open by default closed.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Proxy, Url, retry};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::builder::{Buildable, MAX_IDLE_AGE, MAX_IDLE_PER_HOST, USER_AGENT};
use crate::{
    AsyncHttpClient, ClientBuilder, Exchange, MAX_HEADER_SIZE, TransportError, TransportErrorKind,
    request,
};

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
/// - It asks for no compression: `Accept-Encoding` is never sent. A body that comes compressed all
///   the same is handed on as it came, and the limit counts the bytes that are handed on.
/// - It keeps no cookies.
/// - The proxy variables of the environment are ignored unless
///   [asked for](ClientBuilder::proxy_from_env).
/// - The server's certificate is verified, against the Mozilla roots that are built in, or against
///   [your own](ClientBuilder::root_certificates_pem).
/// - A future that is dropped closes its connection.
///
/// Of the request's headers `Content-Length`, `Transfer-Encoding` and `Accept-Encoding` are
/// replaced by the client's own choice. The request's and the answer's extensions are dropped.
/// HTTP/1.1 is spoken. At most 3 idle connections are kept for one host, for 15 seconds.
///
/// # Good to know
///
/// - An exchange that is polled outside of a `tokio` runtime, or of one without time and network
///   switched on, is an error of kind [`Other`](TransportErrorKind::Other), unless the program is
///   built with `panic = "abort"`. So is one for whose name lookup no thread can be made.
/// - A name lookup takes a thread of the runtime's blocking pool, which has a limit. A lookup that
///   hangs keeps its thread until the system gives up, after the exchange has timed out.
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
    client: Result<Client, TransportError>,
    timeout: Duration,
    max_body_size: usize,
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
        let mut request = request::bare(request);
        *request.version_mut() = Version::HTTP_11;
        if request::has_body(&request) {
            let length = HeaderValue::from(request.body().len());
            request.headers_mut().insert(CONTENT_LENGTH, length);
        }
        let request = request.try_into().map_err(failure::from_reqwest)?;
        let client = self.client.as_ref().map_err(TransportError::clone)?;
        let mut incoming = client
            .execute(request)
            .await
            .map_err(failure::from_reqwest)?;
        if size(incoming.headers()) > MAX_HEADER_SIZE {
            return Err(TransportErrorKind::HeaderTooLarge.into());
        }

        let mut answer = Response::new(Vec::new());
        *answer.status_mut() = incoming.status();
        *answer.headers_mut() = mem::take(incoming.headers_mut());
        let body = answer.body_mut();
        while let Some(chunk) = incoming.chunk().await.map_err(failure::from_reqwest)? {
            if chunk.len() > self.max_body_size.saturating_sub(body.len()) {
                return Err(TransportErrorKind::BodyTooLarge.into());
            }
            body.extend_from_slice(&chunk);
        }
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
    fn exchange(&self, request: Request<Vec<u8>>) -> Exchange<'_> {
        let mut run = Box::pin(self.run(request));
        Box::pin(poll_fn(move |context| {
            let poll = AssertUnwindSafe(|| run.as_mut().poll(context));
            catch_unwind(poll).unwrap_or_else(|_| {
                let cause = "the HTTP client panicked; does it run on tokio, with time and network, and is a thread left?";
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
        // It fails where reqwest is built on another rustls than this crate.
        let client =
            client(options).map_err(|cause| TransportError::new(TransportErrorKind::Tls, cause));
        Self {
            client,
            timeout,
            max_body_size,
        }
    }
}

fn client(options: ClientBuilder<ReqwestClient>) -> Result<Client, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    match options.roots {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(own) => {
            roots.add_parsable_certificates(own);
        }
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Defaults that matter are written out, so that none can change under this client, and no
    // feature that another crate switches on changes it.
    let mut builder = Client::builder()
        .https_only(true)
        .redirect(Policy::none())
        .retry(retry::never())
        .timeout(options.timeout)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .no_hickory_dns()
        .http1_only()
        .user_agent(USER_AGENT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
        .pool_idle_timeout(MAX_IDLE_AGE)
        .tls_backend_preconfigured(tls);
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(proxy);
    }
    Ok(builder.build()?)
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
