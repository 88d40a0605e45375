//! A token on its way through the decision, and what is known of its signature.

use std::borrow::Cow;
use std::sync::Arc;

use a0_discovery::Issuer;
use a0_dpop::KnownHeader;
use a0_jose::{Admitted, Algorithm, Claims, Compact, HeaderError, RuleError};

use crate::options::TokenOptions;
use crate::token_cache::{Known, TokenDigest};

/// A token of acceptable form.
pub(crate) struct Presented<'t> {
    /// Once it is wanted.
    pub(crate) digest: Option<TokenDigest>,
    pub(crate) evidence: Evidence<'t>,
}

/// What is known of a signature.
#[allow(
    clippy::large_enum_variant,
    reason = "one lives for one call; a box would be an allocation for each token"
)]
pub(crate) enum Evidence<'t> {
    /// That it is of an algorithm that is allowed.
    Unchecked(Admitted<'t>),
    /// That a key made it, when this very token came before.
    Known(Arc<Known>, Compact<'t>),
}

impl Presented<'_> {
    pub(crate) fn claims(&self) -> &Claims {
        match &self.evidence {
            Evidence::Unchecked(admitted) => admitted.claims(),
            Evidence::Known(known, _) => known.token.claims(),
        }
    }

    /// What the token is found by, and what a proof has to be for.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        self.digest.get_or_insert_with(|| match &mut self.evidence {
            Evidence::Unchecked(admitted) => admitted.sha256().into(),
            Evidence::Known(_, compact) => compact.sha256().into(),
        })
    }

    /// Of a proof that came with it before.
    pub(crate) fn proof_header(&self) -> Option<&KnownHeader> {
        match &self.evidence {
            Evidence::Unchecked(_) => None,
            Evidence::Known(known, _) => known.proof_header.get(),
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
        match &self.token.evidence {
            Evidence::Unchecked(admitted) => {
                Ok((admitted.header().key_id()?, admitted.algorithm()))
            }
            Evidence::Known(known, _) => {
                Ok((known.token.header().key_id()?, known.token.algorithm()))
            }
        }
    }

    pub(crate) fn require(&self, options: &TokenOptions<'_>) -> Result<(), RuleError> {
        self.token.claims().require(&options.required_claims)
    }
}
