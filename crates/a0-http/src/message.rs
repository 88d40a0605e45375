//! What the clients change in a message: the headers of a request before it is sent, and the content
//! coding of a response's body (RFC 9110 section 8.4). Also when they may repeat a request.

use std::error::Error;
use std::io::Read;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::bufread::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

use crate::{TransportError, TransportErrorKind};

/// The value of `Accept-Encoding` that the clients send.
const ACCEPTED: &str = "gzip";

/// Replaces the headers that are the client's own choice, and removes the extensions and the user
/// name and password of the URL.
pub(crate) fn prepare(mut request: Request<Vec<u8>>) -> Request<Vec<u8>> {
    // A length from the caller that does not match the body would stall the exchange.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        request.headers_mut().remove(name);
    }
    let accepted = HeaderValue::from_static(ACCEPTED);
    request.headers_mut().insert(ACCEPT_ENCODING, accepted);
    move_user_info(&mut request);
    // The libraries look there for settings of their own, which would override the client's.
    request.extensions_mut().clear();
    request
}

/// Moves the user name and the password of the URL to an `Authorization` field, unless the request
/// has one. One library would do the same and log it, the other would drop them.
fn move_user_info(request: &mut Request<Vec<u8>>) {
    let authority = request.uri().authority().map(Authority::as_str);
    let Some((user_info, host)) = authority.and_then(|authority| authority.rsplit_once('@')) else {
        return;
    };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    let mut parts = request.uri().clone().into_parts();
    parts.authority = host.parse().ok();
    let field = HeaderValue::try_from(format!("Basic {credentials}"));
    if let (Ok(url), Ok(mut field)) = (Uri::from_parts(parts), field) {
        field.set_sensitive(true);
        *request.uri_mut() = url;
        request.headers_mut().entry(AUTHORIZATION).or_insert(field);
    }
}

/// Whether the request announces a body, which may be empty (RFC 9110 section 8.6).
pub(crate) fn has_body(request: &Request<Vec<u8>>) -> bool {
    !request.body().is_empty()
        || matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        )
}

/// Whether the request may be sent a second time if a reused connection closes before the response.
/// It must be idempotent (RFC 9110 section 9.2.2).
pub(crate) fn is_repeatable(request: &Request<Vec<u8>>) -> bool {
    request.method() == Method::GET && !has_body(request)
}

/// Returns the time limit for a repeated request, `elapsed` after the exchange began.
///
/// # Errors
///
/// Fails if no time is left.
pub(crate) fn remaining_time(
    limit: Duration,
    elapsed: Duration,
) -> Result<Duration, TransportError> {
    let remaining = limit.saturating_sub(elapsed);
    if remaining.is_zero() {
        return Err(TransportErrorKind::Timeout.into());
    }
    Ok(remaining)
}

/// Collects the body of a response as it arrives, and decodes it.
///
/// Both clients decode here, because their libraries' decoders depend on features that any crate of
/// the program can switch on.
pub(crate) struct BodyDecoder {
    coding: Coding,
    limit: usize,
    encoded: Vec<u8>,
}

impl BodyDecoder {
    /// Starts the body of a response with these `headers`. `limit` bounds its decoded size.
    pub(crate) fn new(headers: &HeaderMap, limit: usize) -> Self {
        Self {
            coding: Coding::from_headers(headers),
            limit,
            encoded: Vec::new(),
        }
    }

    /// Appends a chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), TransportError> {
        let max_size = match &self.coding {
            Coding::Identity => self.limit,
            Coding::Gzip => max_encoded_size(self.limit),
            Coding::Unsupported(reason) => return Err(undecodable(reason.as_str())),
        };
        if chunk.len() > max_size.saturating_sub(self.encoded.len()) {
            return Err(TransportErrorKind::BodyTooLarge.into());
        }
        self.encoded.extend_from_slice(chunk);
        Ok(())
    }

    /// Returns the decoded body, and removes the headers that no longer describe it.
    ///
    /// An empty body is never decoded: the response to a HEAD has the headers of a body that it
    /// does not carry.
    pub(crate) fn finish(self, headers: &mut HeaderMap) -> Result<Vec<u8>, TransportError> {
        if self.encoded.is_empty() || !matches!(self.coding, Coding::Gzip) {
            return Ok(self.encoded);
        }
        let body = gunzip(&self.encoded, self.limit)?;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Ok(body)
    }
}

/// The maximum size, on the wire, of a body that decodes to `limit` bytes. Data that gzip cannot
/// compress grows by 5 bytes in every 16 KiB; the rest is for the header and the trailer (RFC
/// 1952).
pub(crate) fn max_encoded_size(limit: usize) -> usize {
    limit.saturating_add(limit / 1024).saturating_add(1024)
}

enum Coding {
    Identity,
    Gzip,
    /// Holds the reason.
    Unsupported(String),
}

impl Coding {
    fn from_headers(headers: &HeaderMap) -> Self {
        // The libraries decode `chunked` and leave any other transfer coding in place.
        let mut transfer = headers.get_all(TRANSFER_ENCODING).iter();
        if !transfer.all(is_chunked) {
            return Self::Unsupported(
                "the response has a transfer coding other than chunked".to_owned(),
            );
        }
        let mut codings = headers
            .get_all(CONTENT_ENCODING)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"));
        let Some(coding) = codings.next() else {
            return Self::Identity;
        };
        if codings.next().is_some() {
            return Self::Unsupported("the body has more than one content coding".to_owned());
        }
        let is_this_coding = |name: &&str| coding.eq_ignore_ascii_case(name.as_bytes());
        match REGISTERED.into_iter().find(is_this_coding) {
            Some("gzip" | "x-gzip") => Self::Gzip,
            Some(name) => Self::Unsupported(format!(
                "the body has the content coding {name}, which was not asked for"
            )),
            None => {
                Self::Unsupported("the body has a content coding that is not registered".into())
            }
        }
    }
}

fn is_chunked(value: &HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"chunked")
}

/// IANA's HTTP Content Coding Registry, 2026. Errors never repeat the server's text, so they name a
/// coding only if it is one of these.
const REGISTERED: [&str; 12] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "x-compress",
    "x-gzip",
    "zstd",
];

/// The maximum number of members in a gzip body. Servers send one. An empty member takes 20 bytes
/// on the wire and as much setup work as a large one.
const MAX_MEMBERS: usize = 16;

fn gunzip(encoded: &[u8], limit: usize) -> Result<Vec<u8>, TransportError> {
    // The extra byte distinguishes a body over the limit from one that just fits.
    let max_read = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut body = Vec::new();
    let mut remaining = encoded;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(remaining);
        (&mut member)
            .take(max_read)
            .read_to_end(&mut body)
            .map_err(|error| undecodable(format!("the body is not valid gzip: {error}")))?;
        if body.len() > limit {
            return Err(TransportErrorKind::BodyTooLarge.into());
        }
        remaining = member.into_inner();
        if remaining.is_empty() {
            return Ok(body);
        }
    }
    Err(undecodable(format!(
        "the body has more than {MAX_MEMBERS} gzip members"
    )))
}

fn undecodable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new(TransportErrorKind::ContentCoding, cause)
}

#[cfg(test)]
mod tests;
