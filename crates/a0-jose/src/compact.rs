//! The compact serialization, RFC 7515 section 7.1.

use std::fmt;
use std::slice::SliceIndex;

use memchr::memchr_iter;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::algorithm::Hash;
use crate::base64url;
use crate::claims::Claims;
use crate::header::Header;
use crate::json::{Document, JsonError};

/// The three segments of a compact JWS. They are borrowed and not decoded yet.
///
/// `Debug` shows no part of the token.
#[derive(Clone, Copy)]
pub struct Compact<'a> {
    token: &'a [u8],
    /// The index of the dot after the header.
    first_dot: usize,
    /// The index of the dot after the payload.
    second_dot: usize,
    /// The SHA-256 of the signing input. Set by [`sha256`](Compact::sha256).
    signing_digest: Option<[u8; 32]>,
}

impl<'a> Compact<'a> {
    /// Splits `token` into its three segments, without decoding them. A token of more than
    /// `max_size` bytes is refused before it is read. The octets need not be UTF-8: only base64url is
    /// decoded.
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
    pub fn parse(
        token: &'a (impl AsRef<[u8]> + ?Sized),
        max_size: usize,
    ) -> Result<Self, ParseError> {
        let token = token.as_ref();
        if token.len() > max_size {
            return Err(ParseError::TooLarge { max_size });
        }
        let mut dots = memchr_iter(b'.', token);
        match (dots.next(), dots.next(), dots.next()) {
            (Some(first_dot), Some(second_dot), None) => Ok(Compact {
                token,
                first_dot,
                second_dot,
                signing_digest: None,
            }),
            _ => Err(ParseError::SegmentCount),
        }
    }

    /// Returns the SHA-256 of the whole token. The `ath` of a DPoP proof is this hash in base64url
    /// (RFC 9449 section 4.2).
    ///
    /// The hash of the signing input is a by-product and is kept: a later signature check with
    /// SHA-256 does not compute it again. A copy made before this call does not have it.
    ///
    /// ```
    /// use a0_jose::{Compact, sha256};
    ///
    /// let mut token = Compact::parse("e30.e30.AAAA", 16_384)?;
    /// assert_eq!(token.sha256(), sha256("e30.e30.AAAA"));
    /// # Ok::<(), a0_jose::ParseError>(())
    /// ```
    pub fn sha256(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(self.signing_input());
        self.signing_digest = Some(hash.clone().finalize().into());
        hash.update(b".");
        hash.update(self.encoded_signature());
        hash.finalize().into()
    }

    /// Decodes header and payload, each as one JSON object without duplicate member names, and
    /// checks the encoding of the signature.
    pub(crate) fn decode_parts(&self) -> Result<(Header, Claims), ParseError> {
        let header = Header::new(decode_object(self.header_segment(), Part::Header)?);
        Ok((header, self.decode_payload()?))
    }

    /// The first segment, still encoded. Compare it with one that was decoded before to skip
    /// decoding.
    pub fn header_segment(&self) -> &'a [u8] {
        self.segment(..self.first_dot)
    }

    /// Decodes only the payload, as one JSON object without duplicate member names, and checks the
    /// encoding of the signature. For callers that know the header from its
    /// [segment](Compact::header_segment).
    ///
    /// # Errors
    ///
    /// [`ParseError`] with [`Part::Payload`] or [`Part::Signature`].
    pub fn decode_payload(&self) -> Result<Claims, ParseError> {
        let claims = Claims::new(decode_object(self.payload(), Part::Payload)?);
        // A token that cannot have a valid signature is refused here, before a caller fetches the
        // keys for it.
        if base64url::is_canonical(self.encoded_signature()) {
            Ok(claims)
        } else {
            Err(ParseError::Encoding(Part::Signature))
        }
    }

    fn payload(&self) -> &'a [u8] {
        self.segment(self.first_dot.saturating_add(1)..self.second_dot)
    }

    fn encoded_signature(&self) -> &'a [u8] {
        self.segment(self.second_dot.saturating_add(1)..)
    }

    fn segment(&self, range: impl SliceIndex<[u8], Output = [u8]>) -> &'a [u8] {
        self.token.get(range).unwrap_or_default()
    }

    /// Returns whether the signature has any octets.
    pub(crate) fn has_signature(&self) -> bool {
        !self.encoded_signature().is_empty()
    }

    /// The JWS Signing Input (RFC 7515 section 2): header, dot and payload.
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.segment(..self.second_dot)
    }

    /// The hash of the signing input, where it was computed before. Only SHA-256 is.
    pub(crate) fn signing_digest(&self, hash: Hash) -> Option<&[u8; 32]> {
        self.signing_digest
            .as_ref()
            .filter(|_| hash == Hash::Sha256)
    }

    /// Decodes the signature into `buffer`. Returns `None` where it is not base64url or does not
    /// fit.
    pub(crate) fn signature<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        base64url::decode_into(self.encoded_signature(), buffer)
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Compact").finish_non_exhaustive()
    }
}

/// Returns the header of a compact JWS without checking the signature. Never trust it.
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
    Ok(decode_object(
        Compact::parse(token, max_size)?.header_segment(),
        Part::Header,
    )?
    .to_map())
}

/// Returns the payload of a compact JWS without checking the signature. Never trust it.
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
    Ok(decode_object(Compact::parse(token, max_size)?.payload(), Part::Payload)?.to_map())
}

fn decode_object(segment: &[u8], part: Part) -> Result<Document, ParseError> {
    let bytes = base64url::decode(segment).ok_or(ParseError::Encoding(part))?;
    Document::parse(bytes).map_err(|error| match error {
        JsonError::NotAnObject => ParseError::NotAnObject(part),
        JsonError::DuplicateMember => ParseError::DuplicateMember(part),
    })
}

/// A segment of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The first segment.
    Header,
    /// The second segment.
    Payload,
    /// The third segment. It may be empty, which is a signature of no octets.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Part::Header => "header",
            Part::Payload => "payload",
            Part::Signature => "signature",
        })
    }
}

/// The error for a text that is not a compact JWS of two JSON objects. It holds no part of the
/// text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The token is longer than the caller allows.
    #[error("Failed to parse token: larger than {max_size} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        max_size: usize,
    },
    /// The text does not have three segments. It may be an opaque token, or a JWE, which has five
    /// (RFC 7516 section 7.1).
    #[error("Failed to parse token: not a JWT; did the client request an audience?")]
    SegmentCount,
    /// A segment is not canonical base64url (RFC 7515 section 2).
    #[error("Failed to parse token: the {0} is not base64url")]
    Encoding(Part),
    /// A header or a payload is not one UTF-8 JSON object (RFC 7515 section 5.2, RFC 7519 section
    /// 7.2).
    #[error("Failed to parse token: the {0} is not one JSON object")]
    NotAnObject(Part),
    /// A header or a payload has a duplicate member name (RFC 7515 section 4, RFC 7519 section 4).
    #[error("Failed to parse token: the {0} holds a member name twice")]
    DuplicateMember(Part),
}
