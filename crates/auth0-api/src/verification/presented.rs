//! A token on its way through a verification.

use std::sync::Arc;

use a0_dpop::VerifiedHeader;
use a0_jose::{Algorithm, Claims, Compact, HeaderError, Verifiable};

use super::token_cache::{SignedToken, TokenDigest};

/// A token with an acceptable form.
pub(crate) enum PresentedToken<'t> {
    /// Its header is acceptable. Its signature is not verified yet.
    New {
        verifiable: Verifiable<'t>,
        /// Computed on first use.
        digest: Option<TokenDigest>,
    },
    /// The same token came before, and its signature was verified then.
    Cached {
        signed: Arc<SignedToken>,
        compact: Compact<'t>,
        digest: TokenDigest,
    },
}

impl PresentedToken<'_> {
    pub(crate) fn claims(&self) -> &Claims {
        match self {
            PresentedToken::New { verifiable, .. } => verifiable.claims(),
            PresentedToken::Cached { signed, .. } => signed.token.claims(),
        }
    }

    /// The key of the token in the token cache, and the value of `ath` in its proofs.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        match self {
            PresentedToken::New { verifiable, digest } => {
                digest.get_or_insert_with(|| verifiable.sha256().into())
            }
            PresentedToken::Cached { digest, .. } => digest,
        }
    }

    /// The header of a proof that was verified with this token before.
    pub(crate) fn proof_header(&self) -> Option<&VerifiedHeader> {
        match self {
            PresentedToken::New { .. } => None,
            PresentedToken::Cached { signed, .. } => signed.proof_header.get(),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            PresentedToken::New { verifiable, .. } => verifiable.algorithm(),
            PresentedToken::Cached { signed, .. } => signed.token.algorithm(),
        }
    }

    /// The `kid` and the algorithm of the token.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), HeaderError> {
        let header = match self {
            PresentedToken::New { verifiable, .. } => verifiable.header(),
            PresentedToken::Cached { signed, .. } => signed.token.header(),
        };
        Ok((header.key_id()?, self.algorithm()))
    }
}
