//! The compact serialization, RFC 7515 section 7.1.

use std::fmt;

use memchr::memchr_iter;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::algorithm::Hash;
use crate::base64url;
use crate::claims::Claims;
use crate::header::Header;
use crate::json::{Document, JsonError};

/// Three segments of a compact JWS, borrowed; nothing is decoded yet.
///
/// `Debug` shows no part of the token.
#[derive(Clone, Copy)]
pub struct Compact<'a> {
    signing_input: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Of the signing input, once [`sha256`](Compact::sha256) was asked for.
    signing_digest: Option<[u8; 32]>,
}

impl<'a> Compact<'a> {
    /// Splits `token` in its three segments. `max_size` is in bytes; a longer text is refused
    /// before anything else is looked at.
    ///
    /// # Errors
    ///
    /// [`ParseError::TooLarge`], [`ParseError::SegmentCount`].
    ///
    /// ```
    /// use a0_jose::{Compact, ParseError};
    ///
    /// assert_eq!(Compact::parse("opaque", 16_384).unwrap_err(), ParseError::SegmentCount);
    /// ```
    pub fn parse(token: &'a str, max_size: usize) -> Result<Self, ParseError> {
        if token.len() > max_size {
            return Err(ParseError::TooLarge { max_size });
        }
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(ParseError::SegmentCount);
        };
        let segments = || {
            let (signing_input, signature) = split_around(token, second)?;
            let (header, payload) = split_around(signing_input, first)?;
            Some(Compact {
                signing_input,
                header,
                payload,
                signature,
                signing_digest: None,
            })
        };
        segments().ok_or(ParseError::SegmentCount)
    }

    /// The SHA-256 of the whole text: a DPoP `ath` of an access token (RFC 9449 section 4.2) before it is
    /// encoded. What the signature is over is the greater part of that text, and a check of a signature
    /// with SHA-256 that comes later does not hash it again; that of a copy made before does.
    ///
    /// ```
    /// use a0_jose::{Compact, sha256};
    ///
    /// let mut token = Compact::parse("e30.e30.AAAA", 16_384)?;
    /// assert_eq!(token.sha256(), sha256("e30.e30.AAAA"));
    /// # Ok::<(), a0_jose::ParseError>(())
    /// ```
    pub fn sha256(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.signing_input);
        self.signing_digest = Some(hash.clone().finalize().into());
        hash.update(b".");
        hash.update(self.signature);
        hash.finalize().into()
    }

    /// Header and payload, each decoded once as one JSON object without duplicate member names.
    pub(crate) fn decode_parts(&self) -> Result<(Header, Claims), ParseError> {
        let header = Header::new(decode_object(self.header, Part::Header)?);
        Ok((header, self.decode_payload()?))
    }

    /// The first segment as it stands: for seeing that it is one that was read before.
    pub fn header_segment(&self) -> &'a str {
        self.header
    }

    /// Decodes the payload alone, as one JSON object without duplicate member names. For whoever knows
    /// what the header says: see [`header_segment`](Compact::header_segment).
    ///
    /// # Errors
    ///
    /// [`ParseError`], as of the payload.
    pub fn decode_payload(&self) -> Result<Claims, ParseError> {
        Ok(Claims::new(decode_object(self.payload, Part::Payload)?))
    }

    /// What the signature is over: header and payload with the dot between them, as ASCII.
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.signing_input.as_bytes()
    }

    /// The hash of the signing input, where it is known: by SHA-256 alone.
    pub(crate) fn signing_digest(&self, hash: Hash) -> Option<&[u8; 32]> {
        self.signing_digest
            .as_ref()
            .filter(|_| hash == Hash::Sha256)
    }

    /// Decodes the signature into `buffer`; `None` if it is not base64url or does not fit.
    pub(crate) fn signature<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        base64url::decode_into(self.signature, buffer)
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Compact").finish_non_exhaustive()
    }
}

/// The header of a compact JWS, for looking at only: nothing says that anybody signed it.
///
/// # Errors
///
/// [`ParseError`].
///
/// ```
/// let header = a0_jose::unverified_header("eyJhbGciOiJFUzI1NiJ9.e30.", 16_384)?;
/// assert_eq!(header["alg"], "ES256");
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
pub fn unverified_header(token: &str, max_size: usize) -> Result<Map<String, Value>, ParseError> {
    Ok(decode_object(Compact::parse(token, max_size)?.header, Part::Header)?.to_map())
}

/// The payload of a compact JWS, for looking at only: nothing says that anybody signed it.
///
/// # Errors
///
/// [`ParseError`].
///
/// ```
/// let claims = a0_jose::unverified_payload("e30.eyJpc3MiOiJqb2UifQ.", 16_384)?;
/// assert_eq!(claims["iss"], "joe");
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
pub fn unverified_payload(token: &str, max_size: usize) -> Result<Map<String, Value>, ParseError> {
    Ok(decode_object(Compact::parse(token, max_size)?.payload, Part::Payload)?.to_map())
}

/// What is before and after the dot at this place.
fn split_around(text: &str, dot: usize) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(dot)?;
    Some((before, rest.strip_prefix('.')?))
}

fn decode_object(segment: &str, part: Part) -> Result<Document, ParseError> {
    let bytes = base64url::decode(segment).ok_or(ParseError::Encoding(part))?;
    Document::parse(bytes).map_err(|error| match error {
        JsonError::NotAnObject => ParseError::NotAnObject(part),
        JsonError::DuplicateMember => ParseError::DuplicateMember(part),
    })
}

/// A segment that holds JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first segment.
    Header,
    /// The second segment.
    Payload,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Header => "header",
            Part::Payload => "payload",
        })
    }
}

/// Why a text is no compact JWS of two JSON objects. Holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Longer than the caller allows; `max_size` is in bytes.
    #[error("Failed to parse token: larger than {max_size} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        max_size: usize,
    },
    /// Not of three segments: an opaque token, or a JWE of five (RFC 7516 section 7.1).
    #[error("Failed to parse token: not a JWT; did the client request an audience?")]
    SegmentCount,
    /// A segment is not canonical base64url (RFC 7515 section 2).
    #[error("Failed to parse token: the {0} is not base64url")]
    Encoding(Part),
    /// A segment is not one UTF-8 JSON object (RFC 7515 section 5.2, RFC 7519 section 7.2).
    #[error("Failed to parse token: the {0} is not one JSON object")]
    NotAnObject(Part),
    /// A member name comes twice (RFC 7515 section 4, RFC 7519 section 4).
    #[error("Failed to parse token: the {0} holds a member name twice")]
    DuplicateMember(Part),
}
