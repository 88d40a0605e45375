//! HTTP/1.1 as far as a local server needs it: bounded requests with a declared length.

use std::io::{self, Read, Write};

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};

/// Request line and headers, in bytes.
pub(crate) const MAX_HEAD: usize = 16 << 10;
/// Request body, in bytes.
pub(crate) const MAX_BODY: usize = 1 << 20;
const MAX_HEADERS: usize = 64;

/// One connection and what was read from it beyond the last request.
pub(crate) struct Connection<S> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

pub(crate) enum Received {
    Request(Box<Incoming>),
    /// The peer hung up between two requests.
    Closed,
    /// What came is no request that can be served.
    Refused(StatusCode),
}

pub(crate) struct Incoming {
    pub(crate) request: Request<Vec<u8>>,
    pub(crate) keep_alive: bool,
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn receive(&mut self) -> io::Result<Received> {
        let (head, length) = loop {
            match parse_head(&self.buffer) {
                Ok(Some(head)) => break head,
                Ok(None) if self.buffer.len() > MAX_HEAD => {
                    return Ok(Received::Refused(
                        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    ));
                }
                Ok(None) => {
                    if !self.fill()? {
                        return Ok(Received::Closed);
                    }
                }
                Err(status) => return Ok(Received::Refused(status)),
            }
        };
        self.buffer.drain(..length);
        let body_length = match content_length(head.headers()) {
            Ok(length) => length,
            Err(status) => return Ok(Received::Refused(status)),
        };
        if body_length > self.buffer.len() && expects_continue(head.headers()) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < body_length {
            if !self.fill()? {
                return Ok(Received::Closed);
            }
        }
        let body = self.buffer.drain(..body_length).collect();
        let keep_alive = head.version() == Version::HTTP_11 && !asks_to_close(head.headers());
        Ok(Received::Request(Box::new(Incoming {
            request: head.map(|()| body),
            keep_alive,
        })))
    }

    /// `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let count = self.stream.read(&mut chunk)?;
        self.buffer.extend(chunk.iter().take(count));
        Ok(count > 0)
    }

    /// `with_body` is false in the answer to a HEAD request.
    pub(crate) fn send(
        &mut self,
        response: &Response<Vec<u8>>,
        with_body: bool,
        keep_alive: bool,
    ) -> io::Result<()> {
        let body = response.body();
        let mut bytes = head(response, keep_alive, Some(body.len()));
        if with_body {
            bytes.extend(body);
        }
        self.stream.write_all(&bytes)?;
        self.stream.flush()
    }
}

/// The head of a response. `length` is what `Content-Length` says; without it the end of the
/// connection ends the body.
pub(crate) fn head<B>(response: &Response<B>, keep_alive: bool, length: Option<usize>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        if [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name) {
            continue;
        }
        bytes.extend(name.as_str().as_bytes());
        bytes.extend(b": ");
        bytes.extend(value.as_bytes());
        bytes.extend(b"\r\n");
    }
    let bodyless = status.is_informational() || status == 204 || status == 304;
    if let Some(length) = length.filter(|_| !bodyless) {
        bytes.extend(format!("content-length: {length}\r\n").as_bytes());
    }
    if !keep_alive {
        bytes.extend(b"connection: close\r\n");
    }
    bytes.extend(b"\r\n");
    bytes
}

/// The head with its length in bytes; `None` if it is not complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, StatusCode> {
    let bad = StatusCode::BAD_REQUEST;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Err(_) => return Err(bad),
    };
    if length > MAX_HEAD {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    let version = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let mut request = Request::builder()
        .method(method.map_err(|_| bad)?)
        .uri(parsed.path.unwrap_or_default())
        .version(version);
    for header in parsed.headers.iter() {
        request = request.header(header.name, header.value);
    }
    Ok(Some((request.body(()).map_err(|_| bad)?, length)))
}

fn content_length(headers: &HeaderMap) -> Result<usize, StatusCode> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let mut values = headers.get_all(CONTENT_LENGTH).iter();
    let Some(value) = values.next() else {
        return Ok(0);
    };
    let digits = value
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match (digits.and_then(|digits| digits.parse().ok()), values.next()) {
        (Some(length), None) if length <= MAX_BODY => Ok(length),
        (Some(_), None) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
