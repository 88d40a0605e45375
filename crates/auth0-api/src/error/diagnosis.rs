//! Explains a refusal to an operator.

use std::fmt;

use a0_dpop::ProofError;
use a0_jose::jwe::JweError;
use a0_jose::{ClaimValidationError, HeaderError, VerifyError};

use crate::authorization::DeniedBy;
use crate::verification::detail::Detail;

use super::{ArgumentSource, Error, ErrorKind, Outage, SchemeError, TokenError};

/// The explanation of an [`Error`] for operators, by [`Error::diagnosis`].
///
/// `Display` writes all of it in one line that may go to a log: the step, the [`reason`](Error::reason), the
/// claim, and what this API expects. It contains names of claims and values of the API's own configuration,
/// and no value of a token. Never send it to the client: it tells more than the response does.
#[derive(Clone, Copy)]
pub struct Diagnosis<'e> {
    error: &'e Error,
    detail: Option<&'e Detail>,
}

/// A step of a verification, in the order in which they are made. The first that fails is reported.
///
/// ```
/// use auth0_api::Step;
///
/// assert!(Step::Issuer < Step::Signature);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The `Authorization` field, its scheme, and the number of proofs. With
    /// [`certificate_bound_tokens`](crate::Builder::certificate_bound_tokens), a missing proof is found at
    /// [`Step::Sender`], and reported here.
    Credentials,
    /// The size of the token, its segments, base64url and JSON. The decryption of an encrypted token.
    Form,
    /// The header: `alg`, `crit`, `b64`, `cty`, `typ`.
    Header,
    /// `iss` is one of the allowed issuers.
    Issuer,
    /// `aud`, `exp`, `iat`, `nbf`, the required claims, and whether the session is anonymous.
    Claims,
    /// `cnf`, and everything of the proof except its signature.
    Sender,
    /// The keys of the issuer, and the one that `kid` names.
    Keys,
    /// The signature of the token.
    Signature,
    /// The signature of the proof.
    ProofSignature,
    /// The proof was not used before.
    Replay,
    /// What the API asks of the verified token: claims of its own type, and policies.
    Authorization,
}

impl Step {
    /// All steps in order.
    pub fn all() -> impl Iterator<Item = Step> {
        [
            Step::Credentials,
            Step::Form,
            Step::Header,
            Step::Issuer,
            Step::Claims,
            Step::Sender,
            Step::Keys,
            Step::Signature,
            Step::ProofSignature,
            Step::Replay,
            Step::Authorization,
        ]
        .into_iter()
    }

    fn of(kind: &ErrorKind) -> Option<Self> {
        Some(match kind {
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(
                SchemeError::SeveralFields | SchemeError::NoCredentials | SchemeError::NotDpop,
            )
            | ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Call | ArgumentSource::Request,
                ..
            } => Step::Credentials,
            // A bearer token is judged first: it may be bound to a key.
            ErrorKind::InvalidAuthScheme(SchemeError::ProofWithBearer) => Step::Sender,
            ErrorKind::VerifyAccessToken(error) => Step::of_token(error),
            ErrorKind::InvalidDpopProof(error) => match error {
                ProofError::Missing | ProofError::Multiple => Step::Credentials,
                ProofError::Signature => Step::ProofSignature,
                ProofError::Replayed => Step::Replay,
                _ => Step::Sender,
            },
            ErrorKind::UseDpopNonce { .. } => Step::Sender,
            ErrorKind::InsufficientScope { .. }
            | ErrorKind::InsufficientUserAuthentication(_)
            | ErrorKind::Forbidden(_)
            | ErrorKind::PolicyPanicked(_) => Step::Authorization,
            ErrorKind::Unavailable(Outage::Keys(_)) => Step::Keys,
            ErrorKind::Unavailable(Outage::ReplayStore(_)) => Step::Replay,
            ErrorKind::DomainsResolver(_) => Step::Issuer,
            ErrorKind::MissingRequiredArgument {
                source: ArgumentSource::Configuration,
                ..
            }
            | ErrorKind::Configuration(_)
            | ErrorKind::GetTokenByExchangeProfile(_)
            | ErrorKind::GetAccessTokenForConnection(_)
            | ErrorKind::Api(_) => return None,
        })
    }

    fn of_token(error: &TokenError) -> Self {
        match error {
            TokenError::Parse(_) | TokenError::Encryption(_) | TokenError::NotEncrypted => {
                Step::Form
            }
            TokenError::Header(HeaderError::MissingKeyId) => Step::Keys,
            TokenError::Header(_) => Step::Header,
            TokenError::Issuer(_) => Step::Issuer,
            TokenError::Claims(_) | TokenError::Anonymous => Step::Claims,
            TokenError::Confirmation(_) => Step::Sender,
            TokenError::Signature(VerifyError::InvalidSignature) => Step::Signature,
            TokenError::Signature(_) => Step::Keys,
            TokenError::ClaimType(_)
            | TokenError::ClaimsForm
            | TokenError::Actor(_)
            | TokenError::TooOld => Step::Authorization,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Step::Credentials => "credentials",
            Step::Form => "form of the token",
            Step::Header => "header of the token",
            Step::Issuer => "issuer",
            Step::Claims => "claims",
            Step::Sender => "sender and proof",
            Step::Keys => "keys of the issuer",
            Step::Signature => "signature of the token",
            Step::ProofSignature => "signature of the proof",
            Step::Replay => "first use of the proof",
            Step::Authorization => "authorization",
        })
    }
}

impl<'e> Diagnosis<'e> {
    pub(super) fn new(error: &'e Error, detail: Option<&'e Detail>) -> Self {
        Diagnosis { error, detail }
    }

    /// The step that failed. `None` if the error is not about a request: a configuration, an exchange.
    pub fn step(&self) -> Option<Step> {
        Step::of(self.error.kind())
    }

    /// The rule that failed: the [`reason`](Error::reason) of the error.
    pub fn rule(&self) -> &'static str {
        self.error.reason()
    }

    /// The name of the claim or the header parameter, in the token or the proof, that the rule is about.
    pub fn claim(&self) -> Option<&'e str> {
        match self.error.kind() {
            ErrorKind::VerifyAccessToken(error) => claim_of_token(error),
            ErrorKind::InvalidDpopProof(error) => claim_of_proof(error),
            ErrorKind::UseDpopNonce { .. } => Some("nonce"),
            ErrorKind::InsufficientScope { .. } => Some("scope"),
            ErrorKind::Forbidden(denied) => match denied {
                DeniedBy::Permission(_) => Some("permissions"),
                DeniedBy::Claim(name) => Some(name),
                DeniedBy::Organization(_) => Some("org_id"),
                DeniedBy::Actor(_) => Some("act"),
                DeniedBy::AuthorizationDetail(_) => Some("authorization_details"),
                DeniedBy::Test(_) | DeniedBy::Client | DeniedBy::Principal => None,
            },
            _ => None,
        }
    }

    /// The values that this API accepts, from its own configuration: issuers, audiences or algorithms. There
    /// are at most eight issuers or audiences. Empty if the rule is about something else.
    pub fn expected(&self) -> &'e [String] {
        self.detail.map_or(&[], Detail::expected)
    }

    /// What is wrong and likely mistakes, without any value of the token. `None` if there is no more to say
    /// than the error itself does.
    pub fn details(&self) -> Option<String> {
        self.detail.map(|detail| detail.text(false))
    }

    /// Like [`details`](Diagnosis::details), with values of the token: `iss`, `aud`, `azp` or `client_id`,
    /// `exp`, `nbf`. They may not be verified. They are cut to 200 characters each and escaped.
    ///
    /// Such a text can identify a client or a tenant. Do not write it to a log that others may read, and
    /// never send it to the client.
    pub fn details_with_token_values(&self) -> Option<String> {
        self.detail.map(|detail| detail.text(true))
    }
}

impl fmt::Display for Diagnosis<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(step) = self.step() {
            write!(formatter, "{step}: ")?;
        }
        write!(formatter, "{} ({})", self.rule(), self.error)?;
        if let Some(claim) = self.claim() {
            write!(formatter, "; claim {claim:?}")?;
        }
        match self.details() {
            Some(details) => write!(formatter, "; {details}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Diagnosis<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Diagnosis")
            .field("step", &self.step())
            .field("rule", &self.rule())
            .field("claim", &self.claim())
            .finish_non_exhaustive()
    }
}

fn claim_of_token(error: &TokenError) -> Option<&str> {
    Some(match error {
        TokenError::Header(error) | TokenError::Signature(VerifyError::Header(error)) => {
            match error {
                HeaderError::MissingAlgorithm
                | HeaderError::Symmetric(_)
                | HeaderError::AlgorithmNotAllowed => "alg",
                HeaderError::Critical => "crit",
                HeaderError::UnencodedPayload => "b64",
                HeaderError::NestedToken => "cty",
                HeaderError::Type => "typ",
                HeaderError::MissingKeyId => "kid",
                _ => return None,
            }
        }
        TokenError::Issuer(_) => "iss",
        TokenError::Claims(error) => match error {
            ClaimValidationError::Audience => "aud",
            ClaimValidationError::MissingExpiry | ClaimValidationError::Expired => "exp",
            ClaimValidationError::MissingIssuedAt => "iat",
            ClaimValidationError::NotYetValid => "nbf",
            ClaimValidationError::Type(error) => error.claim,
            ClaimValidationError::MissingClaim(name) => name,
            _ => return None,
        },
        TokenError::Anonymous => "sub",
        TokenError::Confirmation(_) => "cnf",
        TokenError::Signature(VerifyError::InvalidSignature) => return None,
        TokenError::Signature(_) => "kid",
        TokenError::ClaimType(error) => error.claim,
        TokenError::Actor(_) => "act",
        TokenError::TooOld => "iat",
        TokenError::Encryption(error) => match *error {
            JweError::Algorithm => "alg",
            JweError::ContentEncryption => "enc",
            JweError::ContentType => "cty",
            JweError::NoMatchingKey => "kid",
            JweError::UnsupportedParameter(name)
            | JweError::InvalidParameter(name)
            | JweError::ReplicatedClaim(name) => name,
            _ => return None,
        },
        TokenError::Parse(_) | TokenError::NotEncrypted | TokenError::ClaimsForm => return None,
    })
}

fn claim_of_proof(error: &ProofError) -> Option<&str> {
    Some(match error {
        ProofError::Type => "typ",
        ProofError::Algorithm => "alg",
        ProofError::MissingJwk
        | ProofError::PrivateKey
        | ProofError::KeyType
        | ProofError::Curve(_)
        | ProofError::Jwk(_)
        | ProofError::Key => "jwk",
        ProofError::MissingClaim(name) => name,
        ProofError::ClaimType(error) => error.claim,
        ProofError::BlankJti | ProofError::LongJti => "jti",
        ProofError::TooOld | ProofError::FromTheFuture => "iat",
        ProofError::Method => "htm",
        ProofError::Url => "htu",
        ProofError::AccessToken => "ath",
        ProofError::Nonce => "nonce",
        _ => return None,
    })
}
