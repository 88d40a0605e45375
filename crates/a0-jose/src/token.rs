//! From decoded to verified, one type a step.

use std::fmt;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::compact::{Compact, ParseError};
use crate::header::{Header, HeaderError, HeaderRules};
use crate::jwk_set::JwkSet;
use crate::key::VerifyingKey;

impl<'a> Compact<'a> {
    /// Decodes header and payload, each once, as one JSON object without duplicate member names.
    ///
    /// # Errors
    ///
    /// [`ParseError::Encoding`], [`ParseError::NotAnObject`], [`ParseError::DuplicateMember`].
    pub fn decode(self) -> Result<Unverified<'a>, ParseError> {
        let (header, claims) = self.decode_parts()?;
        Ok(Unverified {
            compact: self,
            header,
            claims,
        })
    }
}

/// Header and claims as somebody sent them. Good for choosing an issuer and for refusing early;
/// never for letting anybody in.
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

    /// The claims, which nobody vouches for yet.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Judges the header.
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
    /// The SHA-256 of the whole token: see [`Compact::sha256`].
    pub fn sha256(&mut self) -> [u8; 32] {
        self.token.compact.sha256()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.token.header
    }

    /// The claims, which nobody vouches for yet.
    pub fn claims(&self) -> &Claims {
        &self.token.claims
    }

    /// The algorithm of the header, an allowed one.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks the signature with every key of `keys` that the header's `kid` names and that is
    /// for the header's algorithm, at most [`MAX_CANDIDATES`](crate::MAX_CANDIDATES).
    ///
    /// # Errors
    ///
    /// [`VerifyError`].
    pub fn verify(self, keys: &JwkSet) -> Result<VerifiedJws, VerifyError> {
        let key_id = self.header().key_id().map_err(VerifyError::Header)?;
        let mut candidates = keys.candidates(key_id, self.algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(VerifyError::NoMatchingKey);
        }
        if candidates.any(|key| key.verify(&self.token.compact).is_ok()) {
            Ok(self.into_verified())
        } else {
            Err(VerifyError::InvalidSignature)
        }
    }

    /// Checks the signature with one key that the caller chose.
    ///
    /// # Errors
    ///
    /// [`VerifyError::NoMatchingKey`] where the key is for another algorithm,
    /// [`VerifyError::InvalidSignature`].
    pub fn verify_with(self, key: &VerifyingKey) -> Result<VerifiedJws, VerifyError> {
        if key.algorithm() != self.algorithm {
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

/// A token whose signature was checked. Whether its claims are acceptable is for
/// [`ClaimRules`](crate::ClaimRules) to say.
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

    /// The signed claims, by value.
    pub fn into_claims(self) -> Claims {
        self.claims
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

/// Why no key vouches for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The header does not name a key.
    #[error(transparent)]
    Header(HeaderError),
    /// No key of the set has this `kid` and is for this algorithm.
    #[error("No matching key found in JWKS")]
    NoMatchingKey,
    /// The signature is not base64url, or no candidate made it.
    #[error("Signature verification failed")]
    InvalidSignature,
}
