//! The reasons for an error, as data.

use std::fmt;

use a0_discovery::{Issuer, Unavailable};
use a0_dpop::{ProofError, ReplayStoreError};
use a0_jose::jwe::JweError;
use a0_jose::{ClaimError, ClaimValidationError, HeaderError, ParseError, VerifyError};

use crate::authorization::{DeniedBy, PolicyPanicked, StepUp};
use crate::verification::confirmation::ConfirmationError;
use crate::verification::resolver::DomainsResolverError;

use super::api_error::{ApiError, ClientFlowError};

/// The reason for an [`Error`](super::Error), as data.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request has no credentials, or a scheme that is not supported: 401, and no error code in the
    /// challenge (RFC 6750 section 3.1).
    MissingAuthorization,
    /// The credentials are sent in a way that is not allowed: 400, or 401 if there are none or the API does
    /// not accept their scheme.
    InvalidAuthScheme(SchemeError),
    /// An argument is missing. The status depends on who left it out: see [`ArgumentSource`].
    MissingRequiredArgument {
        /// The argument's name.
        argument: &'static str,
        /// Who left it out.
        source: ArgumentSource,
    },
    /// The access token was refused: 401 `invalid_token`.
    VerifyAccessToken(TokenError),
    /// The proof was refused, or there is none: 401 `invalid_dpop_proof` (RFC 9449 section 7.1).
    InvalidDpopProof(ProofError),
    /// The proof has no current nonce: 401 `use_dpop_nonce`, with a new nonce (RFC 9449 section 9).
    UseDpopNonce {
        /// The nonce for the client's next proof.
        nonce: IssuedNonce,
    },
    /// The token lacks a scope that a [`Policy`](crate::Policy) requires: 403 `insufficient_scope` (RFC 6750
    /// section 3.1).
    InsufficientScope {
        /// All scopes that the policy requires, not only those that the token lacks.
        scopes: Vec<String>,
    },
    /// The user has to authenticate again, in another way or because it was too long ago: 401
    /// `insufficient_user_authentication` (RFC 9470 section 3).
    InsufficientUserAuthentication(StepUp),
    /// A [`Policy`](crate::Policy) refuses the token, and the client can do nothing about it: 403, and no
    /// error code in the challenge.
    Forbidden(DeniedBy),
    /// A closure of a [`Policy`](crate::Policy) panicked: 500.
    PolicyPanicked(PolicyPanicked),
    /// The keys or the replay store are unavailable: 503. The token may be valid.
    Unavailable(Outage),
    /// The configuration cannot be used: 500.
    Configuration(String),
    /// The domains resolver returned no usable list of domains: 500.
    DomainsResolver(DomainsResolverError),
    /// The exchange cannot be requested: 400. Nothing was sent to the token endpoint.
    GetTokenByExchangeProfile(ClientFlowError),
    /// The Token Vault token cannot be requested: 400. Nothing was sent to the token endpoint.
    GetAccessTokenForConnection(ClientFlowError),
    /// The token endpoint returned no token, or could not be reached. The status is one for your own caller:
    /// 502, or 504 for a timeout; see [`ApiError`].
    Api(ApiError),
}

/// Who left out an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentSource {
    /// The caller of a method: 400.
    Call,
    /// The API, which did not pass the method or the URL of a DPoP request: 401, and no challenge of the
    /// scheme DPoP, because the API cannot verify a proof. `source()` of the error says what to set.
    Request,
    /// The configuration: 500.
    Configuration,
}

/// Says how to supply a missing argument.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Hint(&'static str);

impl Hint {
    pub(super) fn for_argument(argument: &str) -> Option<&'static Hint> {
        const AUDIENCE: Hint =
            Hint("Set the option audience, or AUTH0_AUDIENCE and call from_env.");
        const METHOD: Hint = Hint("Pass the method of the request: RequestContext::method.");
        const URL: Hint =
            Hint("Set the option public_url, or pass the URL of the request: RequestContext::url.");
        match argument {
            "audience" => Some(&AUDIENCE),
            "http_method" => Some(&METHOD),
            "http_url" => Some(&URL),
            _ => None,
        }
    }
}

/// A nonce for a client's next proof. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedNonce(String);

impl IssuedNonce {
    /// The value of the `DPoP-Nonce` field.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for IssuedNonce {
    fn from(nonce: String) -> Self {
        IssuedNonce(nonce)
    }
}

impl fmt::Debug for IssuedNonce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("IssuedNonce").finish_non_exhaustive()
    }
}

/// The keys of an issuer are unavailable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeysUnavailable {
    /// The issuer: one that the API accepts.
    pub issuer: Issuer,
    /// Why its keys are unavailable, and how soon a retry may help.
    pub error: Unavailable,
}

impl fmt::Display for KeysUnavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no usable keys of {}", self.issuer.as_str())
    }
}

impl std::error::Error for KeysUnavailable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error.error)
    }
}

/// The part that is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Outage {
    /// The issuer's metadata or keys.
    #[error("{}", .0.error)]
    Keys(#[source] KeysUnavailable),
    /// The store that records used proofs.
    #[error("{0}")]
    ReplayStore(#[source] ReplayStoreError),
}

/// Why the way the credentials are sent is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemeError {
    /// More than one `Authorization` field (RFC 9110 section 5.3).
    #[error("Multiple Authorization headers are not allowed")]
    SeveralFields,
    /// The request has no credentials, and the API accepts the scheme DPoP only: 401.
    #[error("Credentials of the DPoP authentication scheme are required")]
    NoCredentials,
    /// The request has another scheme, and the API accepts the scheme DPoP only: 401.
    #[error("The DPoP authentication scheme is required")]
    NotDpop,
    /// The request has a proof and a bearer token.
    #[error("DPoP proof requires DPoP authentication scheme, not Bearer")]
    ProofWithBearer,
}

/// Why an access token was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is not a JWT.
    #[error(transparent)]
    Parse(ParseError),
    /// The token is encrypted, and it was not decrypted or does not contain a signed token.
    #[error(transparent)]
    Encryption(JweError),
    /// The token is not encrypted, and the API accepts only tokens that are
    /// ([`encrypted_only`](crate::Builder::encrypted_only)).
    #[error("Token is not encrypted")]
    NotEncrypted,
    /// The header is not acceptable.
    #[error(transparent)]
    Header(HeaderError),
    /// `iss` is not acceptable.
    #[error(transparent)]
    Issuer(IssuerError),
    /// A claim is not acceptable.
    #[error(transparent)]
    Claims(ClaimValidationError),
    /// The token is of an anonymous session, and the API does not
    /// [allow](crate::Builder::allow_anonymous) them.
    #[error("Anonymous sessions are not allowed")]
    Anonymous,
    /// `cnf` is not acceptable.
    #[error(transparent)]
    Confirmation(ConfirmationError),
    /// No key of the issuer verifies the signature.
    #[error(transparent)]
    Signature(VerifyError),
    /// A claim does not have the type that the caller asked for.
    #[error(transparent)]
    ClaimType(ClaimError),
    /// The claims do not fit the caller's type.
    #[error("The claims do not have the form that this API expects")]
    ClaimsForm,
    /// The token is older than a [`Policy`](crate::Policy) allows, or its `iat` is in the future.
    #[error("Token is too old for the request")]
    TooOld,
    /// The `act` claim is not acceptable (RFC 8693 section 4.1).
    #[error(transparent)]
    Actor(a0_act::ActError),
}

/// Why `iss` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// `iss` is absent or not a string.
    #[error("Token missing 'iss' claim")]
    Missing,
    /// `iss` does not have the form of an issuer.
    #[error("Invalid token issuer format")]
    Format,
    /// `iss` is not the issuer of the configured domain. Issuers are compared octet for octet.
    #[error("Token issuer does not match the discovery issuer")]
    Mismatch,
    /// `iss` is not in the configured list, or not in the list that the resolver returned.
    #[error("Token issuer is not in the list of allowed domains")]
    NotAllowed,
}

impl Outage {
    pub(crate) fn keys(issuer: &Issuer, error: Unavailable) -> Self {
        let issuer = issuer.clone();
        Outage::Keys(KeysUnavailable { issuer, error })
    }
}

impl ErrorKind {
    /// The text of `error_description`, not cleaned yet.
    pub(super) fn description(&self) -> String {
        match self {
            ErrorKind::MissingAuthorization => String::new(),
            ErrorKind::InvalidAuthScheme(error) => error.to_string(),
            ErrorKind::MissingRequiredArgument { argument, source } => {
                let text = format!("The argument '{argument}' is required but was not provided.");
                match (source, Hint::for_argument(argument)) {
                    (ArgumentSource::Configuration, Some(hint)) => format!("{text} {hint}"),
                    _ => text,
                }
            }
            ErrorKind::VerifyAccessToken(error) => error.to_string(),
            ErrorKind::InvalidDpopProof(error) => error.to_string(),
            ErrorKind::UseDpopNonce { .. } => ProofError::Nonce.to_string(),
            ErrorKind::InsufficientScope { .. } => {
                "The access token does not have the scopes that the request requires".to_owned()
            }
            ErrorKind::InsufficientUserAuthentication(_) => {
                "The request requires another or a more recent authentication of the user"
                    .to_owned()
            }
            ErrorKind::Forbidden(_) => "The access token does not allow the request".to_owned(),
            ErrorKind::PolicyPanicked(error) => error.to_string(),
            ErrorKind::Unavailable(error) => error.to_string(),
            ErrorKind::Configuration(description) => description.clone(),
            ErrorKind::DomainsResolver(error) => error.to_string(),
            ErrorKind::GetTokenByExchangeProfile(error)
            | ErrorKind::GetAccessTokenForConnection(error) => error.to_string(),
            ErrorKind::Api(error) => error.to_string(),
        }
    }
}
