//! A token on its way from decoded to verified. Each step has its own type.

use std::fmt;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::compact::{Compact, ParseError};
use crate::error::VerifyError;
use crate::header::{Header, HeaderError, HeaderRules};
use crate::jwk_set::JwkSet;
use crate::key::VerifyingKey;

impl<'a> Compact<'a> {
    /// Decodes header and payload, each as one JSON object without duplicate member names, and
    /// checks the encoding of the signature.
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
        let key_id = self.header().key_id().map_err(VerifyError::Header)?;
        let mut candidates = keys.candidates(key_id, self.algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(keys.mismatch(key_id));
        }
        if candidates.any(|key| key.verify(&self.token.compact).is_ok()) {
            Ok(self.into_verified())
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
