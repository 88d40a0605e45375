//! A compact JWS (RFC 7515 section 7.1) on its way from a text to verified claims. Each step has a type of
//! its own.

use std::fmt;
use std::slice::SliceIndex;

use memchr::memchr_iter;
use sha2::{Digest as _, Sha256};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::content::{Claims, DecodedHeader, Header};
use crate::error::{HeaderError, ParseError, Part, VerifyError};
use crate::json::{Document, JsonError};
use crate::jwk_set::JwkSet;
use crate::key::{InvalidSignature, Message, VerifyingKey};
use crate::rules::HeaderRules;

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
    ///
    /// # Errors
    ///
    /// [`ParseError::Encoding`], [`ParseError::NotAnObject`], [`ParseError::DuplicateMember`].
    pub fn decode(self) -> Result<Unverified<'a>, ParseError> {
        self.decode_with_header(None)
    }

    /// Like [`decode`](Compact::decode), but takes the header from `known` if its segment is the same.
    /// The result is that of `decode`.
    ///
    /// # Errors
    ///
    /// The errors of [`decode`](Compact::decode).
    ///
    /// ```
    /// # use a0_jose::Compact;
    /// # let [first, second] = ["e30.e30.AAAA", "e30.e30."];
    /// let known = Compact::parse(first, 100)?.decode()?.decoded_header();
    /// let token = Compact::parse(second, 100)?.decode_with_header(Some(&known))?;
    /// # assert!(token.header().members().is_empty());
    /// # Ok::<(), a0_jose::ParseError>(())
    /// ```
    pub fn decode_with_header(
        self,
        known: Option<&DecodedHeader>,
    ) -> Result<Unverified<'a>, ParseError> {
        let segment = self.header_segment();
        let header = match known.filter(|known| known.segment() == segment) {
            Some(known) => known.header().clone(),
            None => Header::new(decode_object(segment, Part::Header)?),
        };
        let claims = self.decode_payload()?;
        Ok(Unverified {
            compact: self,
            header,
            claims,
        })
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

    pub(crate) fn payload(&self) -> &'a [u8] {
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
}

impl VerifyingKey {
    /// Checks the signature of a compact JWS with any payload, under this key's algorithm. It does
    /// not read the header: use [`Verifiable`] for tokens.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], for every reason.
    pub fn verify(&self, token: &Compact<'_>) -> Result<(), InvalidSignature> {
        let message = Message {
            text: token.signing_input(),
            sha256: token.signing_digest.as_ref(),
        };
        self.verify_signature(&message, token.encoded_signature())
    }
}

pub(crate) fn decode_object(segment: &[u8], part: Part) -> Result<Document, ParseError> {
    let bytes = base64url::decode(segment).ok_or(ParseError::Encoding(part))?;
    Document::parse(bytes).map_err(|error| match error {
        JsonError::NotAnObject => ParseError::NotAnObject(part),
        JsonError::DuplicateMember => ParseError::DuplicateMember(part),
    })
}

/// A decoded token that nothing was checked of. Use it to choose an issuer or to refuse a request
/// early, never to grant access.
pub struct Unverified<'a> {
    compact: Compact<'a>,
    header: Header,
    claims: Claims,
}

impl<'a> Unverified<'a> {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The claims. Their signature is not verified.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The header with its segment, for [`Compact::decode_with_header`].
    pub fn decoded_header(&self) -> DecodedHeader {
        DecodedHeader::new(self.compact.header_segment(), &self.header)
    }

    /// Checks the header against `rules`.
    ///
    /// # Errors
    ///
    /// [`HeaderError`].
    pub fn validate_header(self, rules: &HeaderRules) -> Result<Verifiable<'a>, HeaderError> {
        let algorithm = rules.validate(&self.header)?;
        Ok(Verifiable {
            token: self,
            algorithm,
        })
    }
}

/// An [`Unverified`] token whose header passed the [`HeaderRules`].
pub struct Verifiable<'a> {
    token: Unverified<'a>,
    algorithm: Algorithm,
}

impl Verifiable<'_> {
    /// Returns the SHA-256 of the whole token: see [`Compact::sha256`].
    pub fn sha256(&mut self) -> [u8; 32] {
        self.token.compact.sha256()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.token.header
    }

    /// The claims. Their signature is not verified.
    pub fn claims(&self) -> &Claims {
        &self.token.claims
    }

    /// The header's algorithm. The rules allow it.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks the signature with the keys in `keys` that have the header's `kid` and algorithm. It
    /// tries at most [`MAX_CANDIDATES`](crate::MAX_CANDIDATES).
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    pub fn verify(self, keys: &JwkSet) -> Result<VerifiedJws, VerifyError> {
        self.check_signature(keys)?;
        Ok(self.into_verified())
    }

    /// Does the same as [`verify`](Self::verify), and returns the header too, for
    /// [`Compact::decode_with_header`].
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_and_keep_header(
        self,
        keys: &JwkSet,
    ) -> Result<(VerifiedJws, DecodedHeader), VerifyError> {
        self.check_signature(keys)?;
        let header = self.token.decoded_header();
        Ok((self.into_verified(), header))
    }

    fn check_signature(&self, keys: &JwkSet) -> Result<(), VerifyError> {
        let key_id = self.header().key_id().map_err(VerifyError::Header)?;
        let mut candidates = keys.candidates(key_id, self.algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(keys.mismatch(key_id));
        }
        if candidates.any(|key| key.verify(&self.token.compact).is_ok()) {
            Ok(())
        } else {
            Err(VerifyError::InvalidSignature)
        }
    }

    /// Checks the signature with one key, which the caller chose.
    ///
    /// # Errors
    ///
    /// [`VerifyError::NoMatchingKey`] where the key is bound to another algorithm,
    /// [`VerifyError::InvalidSignature`].
    pub fn verify_with(self, key: &VerifyingKey) -> Result<VerifiedJws, VerifyError> {
        if !key.serves(self.algorithm) {
            return Err(VerifyError::NoMatchingKey);
        }
        key.verify(&self.token.compact)
            .map_err(|_| VerifyError::InvalidSignature)?;
        Ok(self.into_verified())
    }

    fn into_verified(self) -> VerifiedJws {
        VerifiedJws {
            header: self.token.header,
            claims: self.token.claims,
            algorithm: self.algorithm,
        }
    }
}

/// A token with a valid signature. Check its claims with [`ClaimRules`](crate::ClaimRules).
#[derive(Clone)]
pub struct VerifiedJws {
    header: Header,
    claims: Claims,
    algorithm: Algorithm,
}

impl VerifiedJws {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The signed claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm of the signature.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the signed claims by value.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

impl fmt::Debug for Compact<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Compact").finish_non_exhaustive()
    }
}

macro_rules! opaque_debug {
    ($($name:ident $(<$lifetime:lifetime>)?),*) => {$(
        impl fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

opaque_debug!(Unverified<'_>, Verifiable<'_>, VerifiedJws);
