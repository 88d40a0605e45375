//! An error without its challenges.

use a0_dpop::ProofError;
use a0_jose::{ClaimError, ClaimValidationError, HeaderError, ParseError, VerifyError};

use crate::verification::confirmation::ConfirmationError;
use crate::verification::resolver_error::DomainsResolverError;

use super::{ArgumentSource, ErrorKind, IssuerError, Outage, TokenError};

/// An error whose challenges are not added yet. No public method returns this type, so none can forget
/// to add them.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) ErrorKind);

impl From<ErrorKind> for Refusal {
    fn from(kind: ErrorKind) -> Self {
        Refusal(kind)
    }
}

impl Refusal {
    /// Whether the API left out what a proof must name.
    pub(crate) fn is_omission_of_the_api(&self) -> bool {
        matches!(
            self.0,
            ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Request,
                ..
            }
        )
    }
}

impl From<Outage> for Refusal {
    fn from(outage: Outage) -> Self {
        Refusal(ErrorKind::Unavailable(outage))
    }
}

impl From<DomainsResolverError> for Refusal {
    fn from(error: DomainsResolverError) -> Self {
        ErrorKind::DomainsResolver(error).into()
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        Refusal(ErrorKind::InvalidDpopProof(error))
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Refusal(ErrorKind::VerifyAccessToken(error))
    }
}

macro_rules! token_errors {
    ($($part:ty => $variant:ident),* $(,)?) => {$(
        impl From<$part> for Refusal {
            fn from(error: $part) -> Self {
                TokenError::$variant(error).into()
            }
        }
    )*};
}

token_errors! {
    ParseError => Parse,
    HeaderError => Header,
    IssuerError => Issuer,
    ClaimValidationError => Claims,
    ConfirmationError => Confirmation,
    VerifyError => Signature,
    ClaimError => ClaimType,
    a0_act::ActError => Actor,
}
