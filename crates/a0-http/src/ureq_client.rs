//! The blocking client: `ureq`, with what it leaves open by default closed.

use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Method, Request, Response};
use ureq::Agent;

use crate::{HttpClient, TransportError, TransportErrorKind};

mod builder;
mod failure;

pub use builder::{
    DEFAULT_MAX_BODY_SIZE, DEFAULT_TIMEOUT, MAX_HEADER_SIZE, MAX_TIMEOUT, UreqClientBuilder,
    UreqOptionError,
};

/// A blocking HTTPS client with limits, over the `ureq` crate.
///
/// Clones are cheap and share the connections. What it does, and what it never does:
///
/// - `https` only. Another scheme is refused before a name is looked up.
/// - No redirect is followed: a 3xx is an answer like any other.
/// - A status is never an error; headers and body are kept.
/// - One [timeout](UreqClientBuilder::timeout) covers everything from the name lookup to the last
///   byte of the body, so a server that sends a byte now and then gains nothing.
/// - The body has a [limit](UreqClientBuilder::max_body_size), and so do the headers
///   ([`MAX_HEADER_SIZE`]). Reading stops when a limit is passed.
/// - It asks for no compression: `Accept-Encoding` is never sent. A body that comes compressed all
///   the same is handed on as it came, and the limit counts the bytes that are handed on.
/// - It keeps no cookies.
/// - The proxy variables of the environment are ignored unless
///   [asked for](UreqClientBuilder::proxy_from_env).
/// - The server's certificate is verified, against the Mozilla roots that are built in, or against
///   [your own](UreqClientBuilder::root_certificates_pem).
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
    /// A client with the default limits: see [`DEFAULT_TIMEOUT`] and [`DEFAULT_MAX_BODY_SIZE`].
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Starts a client with limits or roots of its own.
    pub fn builder() -> UreqClientBuilder {
        UreqClientBuilder::new()
    }

    fn run(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, TransportError> {
        let (mut parts, body) = request.into_parts();
        // A caller's length that does not fit the body would stall the exchange.
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, ACCEPT_ENCODING] {
            parts.headers.remove(name);
        }
        // ureq looks for settings of its own there, which would overrule this client's.
        parts.extensions.clear();

        let has_body =
            !body.is_empty() || matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        let answer = if has_body {
            self.agent.run(Request::from_parts(parts, body))
        } else {
            self.agent.run(Request::from_parts(parts, ()))
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
