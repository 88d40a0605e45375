//! An error without its challenges.

use a0_dpop::ProofError;
use a0_jose::jwe::JweError;
use a0_jose::{ClaimError, ClaimValidationError, HeaderError, ParseError, VerifyError};

use crate::verification::confirmation::ConfirmationError;
use crate::verification::detail::Detail;
use crate::verification::resolver::DomainsResolverError;

use super::{ArgumentSource, ErrorKind, IssuerError, Outage, TokenError};

/// An error whose challenges are not added yet. No public method returns this type, so none can forget
/// to add them.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) kind: ErrorKind,
    pub(crate) diagnosis: Option<Box<Detail>>,
}

impl From<ErrorKind> for Refusal {
    fn from(kind: ErrorKind) -> Self {
        let diagnosis = None;
        Refusal { kind, diagnosis }
    }
}

impl Refusal {
    /// Adds what an operator may know.
    pub(crate) fn with_diagnosis(mut self, diagnosis: impl Into<Option<Detail>>) -> Self {
        self.diagnosis = diagnosis.into().map(Box::new);
        self
    }

    /// Whether the API left out what a proof must name.
    pub(crate) fn is_omission_of_the_api(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Request,
                ..
            }
        )
    }
}

impl From<Outage> for Refusal {
    fn from(outage: Outage) -> Self {
        ErrorKind::Unavailable(outage).into()
    }
}

impl From<DomainsResolverError> for Refusal {
    fn from(error: DomainsResolverError) -> Self {
        ErrorKind::DomainsResolver(error).into()
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Self {
        ErrorKind::InvalidDpopProof(error).into()
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        ErrorKind::VerifyAccessToken(error).into()
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
    JweError => Encryption,
    HeaderError => Header,
    IssuerError => Issuer,
    ClaimValidationError => Claims,
    ConfirmationError => Confirmation,
    VerifyError => Signature,
    ClaimError => ClaimType,
    a0_act::ActError => Actor,
}
