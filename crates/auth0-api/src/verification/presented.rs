//! A token on its way through the decision, and what is known of its signature.

use std::sync::Arc;

use a0_dpop::VerifiedHeader;
use a0_jose::{Algorithm, Claims, Compact, HeaderError, Verifiable};

use crate::verification::token_cache::{Known, TokenDigest};

/// A token of acceptable form, and what is known of its signature.
pub(crate) enum Presented<'t> {
    /// That it is of an algorithm that is allowed.
    Unchecked {
        verifiable: Verifiable<'t>,
        /// Once it is wanted.
        digest: Option<TokenDigest>,
    },
    /// That a key made it, when this very token came before.
    Known {
        known: Arc<Known>,
        compact: Compact<'t>,
        digest: TokenDigest,
    },
}

impl Presented<'_> {
    pub(crate) fn claims(&self) -> &Claims {
        match self {
            Presented::Unchecked { verifiable, .. } => verifiable.claims(),
            Presented::Known { known, .. } => known.token.claims(),
        }
    }

    /// What the token is found by, and what a proof has to be for.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        match self {
            Presented::Unchecked { verifiable, digest } => {
                digest.get_or_insert_with(|| verifiable.sha256().into())
            }
            Presented::Known { digest, .. } => digest,
        }
    }

    /// Of a proof that came with it before.
    pub(crate) fn proof_header(&self) -> Option<&VerifiedHeader> {
        match self {
            Presented::Unchecked { .. } => None,
            Presented::Known { known, .. } => known.proof_header.get(),
        }
    }

    /// The key that the token names, and the algorithm that it is for.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), HeaderError> {
        match self {
            Presented::Unchecked { verifiable, .. } => {
                Ok((verifiable.header().key_id()?, verifiable.algorithm()))
            }
            Presented::Known { known, .. } => {
                Ok((known.token.header().key_id()?, known.token.algorithm()))
            }
        }
    }
}
