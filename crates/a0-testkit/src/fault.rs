use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response};

use crate::gate::Waiting;
use crate::gzip;
use crate::reply::{Reply, response};
use crate::{Endpoint, Gate};

/// What an endpoint does in place of, or besides, its usual answer.
///
/// | fault | in memory | over HTTPS |
/// |---|---|---|
/// | [`status`](Self::status), [`body`](Self::body), [`response`](Self::response), [`redirect`](Self::redirect), [`headers`](Self::headers), [`gzip_bomb`](Self::gzip_bomb) | the answer | the answer |
/// | [`transport`](Self::transport) | this `io::Error` | the connection ends without an answer |
/// | [`endless_body`](Self::endless_body) | a body of 8 MiB | a body that goes on until the peer hangs up |
/// | [`stalled_body`](Self::stalled_body), [`trickling_body`](Self::trickling_body) | `TimedOut` | the body begins and then stalls, or crawls |
/// | [`hold_at`](Self::hold_at) | waits inside the request | waits inside the request |
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
    Answer(Box<Response<Vec<u8>>>),
    Headers(HeaderMap),
    Transport(io::ErrorKind),
    Endless,
    Stalled,
    Trickling,
    Hold(Arc<Waiting>, Box<Fault>),
}

impl Fault {
    /// The usual answer: a pause within a script.
    #[must_use]
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// This status, with a short JSON body. A number that is no HTTP status counts as 500.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::body(
            code,
            "application/json",
            r#"{"error":"local_tenant_fault"}"#,
        )
    }

    /// A status and how many seconds to stay away: `Retry-After`.
    #[must_use]
    pub fn retry_after(code: u16, seconds: u64) -> Self {
        Self::status(code).with_header(RETRY_AFTER.as_str(), &seconds.to_string())
    }

    /// This answer: status, content type, and bytes of any kind.
    #[must_use]
    pub fn body(code: u16, content_type: &str, bytes: impl AsRef<[u8]>) -> Self {
        let answer = response(code, bytes.as_ref().to_vec());
        Self::response(answer).with_header(CONTENT_TYPE.as_str(), content_type)
    }

    /// This answer, exactly.
    #[must_use]
    pub fn response(answer: Response<Vec<u8>>) -> Self {
        Self(Kind::Answer(Box::new(answer)))
    }

    /// A 302 to `url`.
    #[must_use]
    pub fn redirect(url: &str) -> Self {
        Self::response(response(302, Vec::new())).with_header(LOCATION.as_str(), url)
    }

    /// The usual answer, with these headers in place of its own of the same names. Names and
    /// values that HTTP does not allow are left out.
    #[must_use]
    pub fn headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let fault = Self(Kind::Headers(HeaderMap::new()));
        headers
            .into_iter()
            .fold(fault, |fault, (name, value)| fault.with_header(name, value))
    }

    /// A body that decodes to at least `decoded_bytes` bytes of valid JSON and is about 150 times
    /// smaller on the wire (`Content-Encoding: gzip`).
    #[must_use]
    pub fn gzip_bomb(decoded_bytes: usize) -> Self {
        Self::body(200, "application/json", gzip::bomb(decoded_bytes))
            .with_header(CONTENT_ENCODING.as_str(), "gzip")
    }

    /// No answer: this error in memory, a closed connection over HTTPS.
    #[must_use]
    pub fn transport(kind: io::ErrorKind) -> Self {
        Self(Kind::Transport(kind))
    }

    /// A body without end; see the table above. Over HTTPS it stops after 256 MiB.
    #[must_use]
    pub fn endless_body() -> Self {
        Self(Kind::Endless)
    }

    /// A body that stops short of its declared length and leaves the connection open, until the
    /// peer hangs up or the server is dropped.
    #[must_use]
    pub fn stalled_body() -> Self {
        Self(Kind::Stalled)
    }

    /// A body that comes one byte at a time, about twenty bytes a second, so that no timeout for
    /// a single read strikes; until the peer hangs up or the server is dropped.
    #[must_use]
    pub fn trickling_body() -> Self {
        Self(Kind::Trickling)
    }

    /// Waits at the gate, then answers as usual, from the state the tenant has by then.
    #[must_use]
    pub fn hold_at(gate: &Gate) -> Self {
        Self::hold_then(gate, Self::none())
    }

    /// Waits at the gate, then does what `fault` says.
    #[must_use]
    pub fn hold_then(gate: &Gate, fault: Self) -> Self {
        Self(Kind::Hold(gate.waiting(), Box::new(fault)))
    }

    /// Adds a header to an answer or to [`headers`](Self::headers); without effect on other
    /// faults. A name or value that HTTP does not allow is left out.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let target = match &mut self.0 {
            Kind::Answer(answer) => answer.headers_mut(),
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

    /// Carries the fault out. `hold` waits at a gate; `answer` makes the usual answer.
    pub(crate) fn apply(
        self,
        hold: &dyn Fn(Arc<Waiting>),
        answer: impl FnOnce() -> Response<Vec<u8>>,
    ) -> io::Result<Reply> {
        match self.0 {
            Kind::None => Ok(Reply::Whole(answer())),
            Kind::Answer(answer) => Ok(Reply::Whole(*answer)),
            Kind::Headers(headers) => {
                let mut answer = answer();
                for (name, value) in &headers {
                    answer.headers_mut().insert(name, value.clone());
                }
                Ok(Reply::Whole(answer))
            }
            Kind::Transport(kind) => Err(kind.into()),
            Kind::Endless => Ok(Reply::Endless),
            Kind::Stalled => Ok(Reply::Stalled),
            Kind::Trickling => Ok(Reply::Trickling),
            Kind::Hold(gate, then) => {
                hold(gate);
                then.apply(hold, answer)
            }
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::None => f.write_str("none"),
            Kind::Answer(answer) => write!(f, "answer {}", answer.status().as_u16()),
            Kind::Headers(_) => f.write_str("headers"),
            Kind::Transport(kind) => write!(f, "transport {kind:?}"),
            Kind::Endless => f.write_str("endless body"),
            Kind::Stalled => f.write_str("stalled body"),
            Kind::Trickling => f.write_str("trickling body"),
            Kind::Hold(_, then) => write!(f, "hold, then {then:?}"),
        }
    }
}

/// What the three endpoints are told to do.
#[derive(Default)]
pub(crate) struct Faults {
    discovery: Plan,
    jwks: Plan,
    token: Plan,
}

#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) script: VecDeque<Fault>,
    pub(crate) lasting: Option<Fault>,
}

impl Faults {
    pub(crate) fn plan(&mut self, endpoint: Endpoint) -> &mut Plan {
        match endpoint {
            Endpoint::Discovery => &mut self.discovery,
            Endpoint::Jwks => &mut self.jwks,
            Endpoint::Token => &mut self.token,
        }
    }

    pub(crate) fn next(&mut self, endpoint: Endpoint) -> Fault {
        let plan = self.plan(endpoint);
        let lasting = || plan.lasting.clone();
        plan.script
            .pop_front()
            .or_else(lasting)
            .unwrap_or(Fault::none())
    }
}
