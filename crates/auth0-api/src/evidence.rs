//! A token on its way through the decision, and what is known of its signature.

use std::borrow::Cow;
use std::sync::Arc;

use a0_discovery::Issuer;
use a0_dpop::KnownHeader;
use a0_jose::{Admitted, Algorithm, Claims, Compact, HeaderError, RuleError};

use crate::options::TokenOptions;
use crate::token_cache::{Known, TokenDigest};

/// A token of acceptable form, and what is known of its signature.
pub(crate) enum Presented<'t> {
    /// That it is of an algorithm that is allowed.
    Unchecked {
        admitted: Admitted<'t>,
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
            Presented::Unchecked { admitted, .. } => admitted.claims(),
            Presented::Known { known, .. } => known.token.claims(),
        }
    }

    /// What the token is found by, and what a proof has to be for.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        match self {
            Presented::Unchecked { admitted, digest } => {
                digest.get_or_insert_with(|| admitted.sha256().into())
            }
            Presented::Known { digest, .. } => digest,
        }
    }

    /// Of a proof that came with it before.
    pub(crate) fn proof_header(&self) -> Option<&KnownHeader> {
        match self {
            Presented::Unchecked { .. } => None,
            Presented::Known { known, .. } => known.proof_header.get(),
        }
    }
}

/// A token that needs nothing but a key of its issuer.
pub(crate) struct JudgedToken<'t, 'i> {
    pub(crate) token: Presented<'t>,
    pub(crate) issuer: Cow<'i, Issuer>,
}

impl JudgedToken<'_, '_> {
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The key that the token names, and the algorithm that it is for.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), HeaderError> {
        match &self.token {
            Presented::Unchecked { admitted, .. } => {
                Ok((admitted.header().key_id()?, admitted.algorithm()))
            }
            Presented::Known { known, .. } => {
                Ok((known.token.header().key_id()?, known.token.algorithm()))
            }
        }
    }

    pub(crate) fn require(&self, options: &TokenOptions<'_>) -> Result<(), RuleError> {
        self.token.claims().require(&options.required_claims)
    }
}
