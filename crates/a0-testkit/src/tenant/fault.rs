use std::fmt;
use std::io::{self, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response};

use super::gate::{Barrier, Gate};
use crate::reply::{BodyFault, Reply, response};

/// Makes an endpoint misbehave: replaces its usual response, changes it, or holds the request.
///
/// | fault | in memory | over HTTPS |
/// |---|---|---|
/// | [`status`](Self::status), [`body`](Self::body), [`response`](Self::response), [`redirect`](Self::redirect), [`headers`](Self::headers), [`gzip_bomb`](Self::gzip_bomb) | the response | the response |
/// | [`transport`](Self::transport) | the given `io::Error` | the connection is closed without a response |
/// | [`endless_body`](Self::endless_body) | a body of 8 MiB | a body that continues until the client hangs up |
/// | [`stalled_body`](Self::stalled_body), [`trickling_body`](Self::trickling_body) | the error `TimedOut` | a body that begins, and then stalls or trickles |
/// | [`hold_at`](Self::hold_at) | the request waits at the gate | the request waits at the gate |
///
/// ```
/// use a0_testkit::{Endpoint, Fault, LocalTenant};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// tenant.misbehave(Endpoint::Jwks, Fault::status(429).with_header("retry-after", "30"));
/// tenant.misbehave_script(Endpoint::Discovery, [Fault::none(), Fault::redirect("https://other.example/")]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fault(Kind);

#[derive(Clone)]
enum Kind {
    None,
    Response(Box<Response<Vec<u8>>>),
    Headers(HeaderMap),
    Transport(io::ErrorKind),
    Body(BodyFault),
    Hold(Arc<Barrier>, Box<Fault>),
}

impl Fault {
    /// No fault: the usual response. Scripts use it for requests that succeed.
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// A response with this status and a short JSON body. A number that is not an HTTP status becomes
    /// 500.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::body(
            code,
            "application/json",
            r#"{"error":"local_tenant_fault"}"#,
        )
    }

    /// A response with this status, and `Retry-After` with this number of seconds.
    #[must_use]
    pub fn retry_after(code: u16, seconds: u64) -> Self {
        Self::status(code).with_header(RETRY_AFTER.as_str(), &seconds.to_string())
    }

    /// A response with this status, content type and body.
    #[must_use]
    pub fn body(code: u16, content_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        Self::response(response(code, bytes.as_ref().to_vec()))
            .with_header(CONTENT_TYPE.as_str(), content_type)
    }

    /// This response. Over HTTPS the server sets `Connection`, `Content-Length` and
    /// `Transfer-Encoding` itself.
    #[must_use]
    pub fn response(response: Response<Vec<u8>>) -> Self {
        Self(Kind::Response(Box::new(response)))
    }

    /// A redirect to `url`, with status 302.
    #[must_use]
    pub fn redirect(url: &str) -> Self {
        Self::response(response(302, Vec::new())).with_header(LOCATION.as_str(), url)
    }

    /// The usual response, with these headers added; they replace headers of the same name. Names
    /// and values that HTTP does not allow are ignored.
    #[must_use]
    pub fn headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let fault = Self(Kind::Headers(HeaderMap::new()));
        headers
            .into_iter()
            .fold(fault, |fault, (name, value)| fault.with_header(name, value))
    }

    /// A JSON body that is at least `decoded_bytes` long once decoded. On the wire it is about a
    /// thousand times smaller (`Content-Encoding: gzip`).
    #[must_use]
    pub fn gzip_bomb(decoded_bytes: usize) -> Self {
        Self::body(200, "application/json", gzip_bomb(decoded_bytes))
            .with_header(CONTENT_ENCODING.as_str(), "gzip")
    }

    /// No response: this error in memory, a closed connection over HTTPS.
    #[must_use]
    pub fn transport(kind: io::ErrorKind) -> Self {
        Self(Kind::Transport(kind))
    }

    /// A body without an end: 8 MiB in memory. Over HTTPS it is chunked, and stops after 256 MiB.
    #[must_use]
    pub fn endless_body() -> Self {
        Self(Kind::Body(BodyFault::Endless))
    }

    /// A body that stops before its declared length and leaves the connection open, until the
    /// client hangs up or the server is dropped.
    #[must_use]
    pub fn stalled_body() -> Self {
        Self(Kind::Body(BodyFault::Stalled))
    }

    /// A body that comes one byte at a time, about twenty bytes per second. A timeout on a single
    /// read does not end it. It lasts until the client hangs up or the server is dropped.
    #[must_use]
    pub fn trickling_body() -> Self {
        Self(Kind::Body(BodyFault::Trickling))
    }

    /// Waits at the gate, then gives the usual response, from the state that the tenant has by then.
    #[must_use]
    pub fn hold_at(gate: &Gate) -> Self {
        Self::hold_then(gate, Self::none())
    }

    /// Waits at the gate, then carries out `fault`.
    #[must_use]
    pub fn hold_then(gate: &Gate, fault: Self) -> Self {
        Self(Kind::Hold(gate.barrier(), Box::new(fault)))
    }

    /// Sets a header of this fault's response, or one more of [`headers`](Self::headers). Other
    /// faults have no headers and stay as they are. A name or value that HTTP does not allow is
    /// ignored.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let target = match &mut self.0 {
            Kind::Response(response) => response.headers_mut(),
            Kind::Headers(headers) => headers,
            _ => return self,
        };
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            target.insert(name, value);
        }
        self
    }

    /// Carries out the fault. `hold` waits at a gate, `usual` makes the usual response.
    pub(super) fn apply(
        self,
        hold: &dyn Fn(Arc<Barrier>),
        usual: impl FnOnce() -> Response<Vec<u8>>,
    ) -> io::Result<Reply> {
        match self.0 {
            Kind::None => Ok(Reply::Whole(usual())),
            Kind::Response(response) => Ok(Reply::Whole(*response)),
            Kind::Headers(headers) => {
                let mut response = usual();
                for (name, value) in &headers {
                    response.headers_mut().insert(name, value.clone());
                }
                Ok(Reply::Whole(response))
            }
            Kind::Transport(kind) => Err(kind.into()),
            Kind::Body(fault) => Ok(Reply::Unfinished(fault)),
            Kind::Hold(gate, then) => {
                hold(gate);
                then.apply(hold, usual)
            }
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::None => f.write_str("none"),
            Kind::Response(response) => write!(f, "response {}", response.status().as_u16()),
            Kind::Headers(_) => f.write_str("headers"),
            Kind::Transport(kind) => write!(f, "transport {kind:?}"),
            Kind::Body(BodyFault::Endless) => f.write_str("endless body"),
            Kind::Body(BodyFault::Stalled) => f.write_str("stalled body"),
            Kind::Body(BodyFault::Trickling) => f.write_str("trickling body"),
            Kind::Hold(_, then) => write!(f, "hold, then {then:?}"),
        }
    }
}

/// Compresses an empty JSON object that is full of spaces.
fn gzip_bomb(decoded_bytes: usize) -> Vec<u8> {
    const SPACES: &[u8] = &[b' '; 16 << 10];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let chunks = decoded_bytes.div_ceil(SPACES.len());
    let spaces = std::iter::repeat_n(SPACES, chunks);
    let object = [&b"{"[..]].into_iter().chain(spaces).chain([&b"}"[..]]);
    // Writing to a vector does not fail.
    for bytes in object {
        let _ = gzip.write_all(bytes);
    }
    gzip.finish().unwrap_or_default()
}
