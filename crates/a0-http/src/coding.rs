//! Content codings (RFC 9110 section 8.4): how an answer's body is read, and decoded.

use std::error::Error;
use std::io::Read;

use flate2::bufread::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue};

use crate::{TransportError, TransportErrorKind};

/// What the clients send as `Accept-Encoding`.
pub(crate) const ACCEPTED: &str = "gzip";

/// The body of an answer while it arrives.
///
/// Both clients decode here. Their libraries' decoders depend on features that any crate of the
/// program can switch on.
pub(crate) struct Incoming {
    coding: Coding,
    limit: usize,
    bytes: Vec<u8>,
}

impl Incoming {
    /// Starts reading a response body; `limit` bounds its decoded size.
    pub(crate) fn new(headers: &HeaderMap, limit: usize) -> Self {
        Self {
            coding: Coding::of(headers),
            limit,
            bytes: Vec::new(),
        }
    }

    /// Appends a chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), TransportError> {
        let most = match &self.coding {
            Coding::Identity => self.limit,
            Coding::Gzip => most_encoded(self.limit),
            Coding::Unsupported(why) => return Err(undecodable(why.as_str())),
        };
        if chunk.len() > most.saturating_sub(self.bytes.len()) {
            return Err(TransportErrorKind::BodyTooLarge.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// Returns the decoded body, and removes the headers that no longer describe it.
    ///
    /// An empty body is never decoded: the answer to a HEAD has the headers of a body that it does
    /// not carry.
    pub(crate) fn decoded(self, headers: &mut HeaderMap) -> Result<Vec<u8>, TransportError> {
        if self.bytes.is_empty() || !matches!(self.coding, Coding::Gzip) {
            return Ok(self.bytes);
        }
        let body = gunzip(&self.bytes, self.limit)?;
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Ok(body)
    }
}

/// The bytes that a body of `limit` bytes may have on the wire. Data that gzip cannot compress
/// grows by 5 bytes in every 16 KiB; the rest is for the header and the trailer (RFC 1952).
pub(crate) fn most_encoded(limit: usize) -> usize {
    limit.saturating_add(limit / 1024).saturating_add(1024)
}

enum Coding {
    Identity,
    Gzip,
    /// Says why.
    Unsupported(String),
}

impl Coding {
    fn of(headers: &HeaderMap) -> Self {
        // The libraries undo `chunked`, and hand any other transfer coding on as it came.
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
        let registered = |name: &&str| coding.eq_ignore_ascii_case(name.as_bytes());
        match REGISTERED.into_iter().find(registered) {
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

/// IANA's HTTP Content Coding Registry, 2026. An error repeats no text of the server's, so it names
/// a coding only if it is one of these.
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

/// The most members that a gzip body may have. Servers send one. An empty member takes 20 bytes on
/// the wire and as much work as a large one.
const MAX_MEMBERS: usize = 16;

fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, TransportError> {
    // One byte over the limit tells a body that passes it from one that just fits.
    let enough = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut body = Vec::new();
    let mut rest = bytes;
    for _ in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        (&mut member)
            .take(enough)
            .read_to_end(&mut body)
            .map_err(|error| undecodable(format!("the body is not valid gzip: {error}")))?;
        if body.len() > limit {
            return Err(TransportErrorKind::BodyTooLarge.into());
        }
        rest = member.into_inner();
        if rest.is_empty() {
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
