//! The stable label of each refusal. docs/observability.md lists them all.

use a0_discovery::{FetchFailure, TokenEndpointError};
use a0_dpop::ProofError;
use a0_http::TransportErrorKind;
use a0_jose::jwe::JweError;
use a0_jose::{ClaimValidationError, HeaderError, ParseError, VerifyError};
use a0_token_exchange::ExchangeError;

use crate::authorization::DeniedBy;
use crate::verification::confirmation::ConfirmationError;
use crate::verification::resolver::ResolverFault;

use super::api_error::{ApiError, ClientFlowError};
use super::{ArgumentSource, ErrorKind, IssuerError, Outage, SchemeError, TokenError};

/// The label of what another version of a dependency may add.
const OTHER: &str = "other";

pub(super) fn of(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::MissingAuthorization => "credentials_missing",
        ErrorKind::InvalidAuthScheme(error) => of_scheme(*error),
        ErrorKind::MissingRequiredArgument { argument, source } => match (source, *argument) {
            (ArgumentSource::Call, _) => "argument_missing",
            (ArgumentSource::Request, "http_method") => "request_without_method",
            (ArgumentSource::Request, _) => "request_without_url",
            (ArgumentSource::Configuration, _) => "option_missing",
        },
        ErrorKind::VerifyAccessToken(error) => of_token(error),
        ErrorKind::InvalidDpopProof(error) => of_proof(error),
        ErrorKind::UseDpopNonce { .. } => of_proof(&ProofError::Nonce),
        ErrorKind::InsufficientScope { .. } => "insufficient_scope",
        ErrorKind::InsufficientUserAuthentication(_) => "insufficient_user_authentication",
        ErrorKind::Forbidden(denied) => of_denial(denied),
        ErrorKind::PolicyPanicked(_) => "policy_panicked",
        ErrorKind::Unavailable(Outage::Keys(keys)) => of_fetch(keys.error.error.failure()),
        ErrorKind::Unavailable(Outage::ReplayStore(_)) => "replay_store_failed",
        ErrorKind::Configuration(_) => "configuration",
        ErrorKind::DomainsResolver(error) => match error.fault() {
            ResolverFault::Failed => "resolver_failed",
            ResolverFault::NoDomains => "resolver_no_domains",
            ResolverFault::Blank | ResolverFault::Domain(_) => "resolver_domain",
        },
        ErrorKind::GetTokenByExchangeProfile(error)
        | ErrorKind::GetAccessTokenForConnection(error) => of_flow(error),
        ErrorKind::Api(ApiError::Exchange(error)) => of_exchange(error),
        ErrorKind::Api(ApiError::Discovery(error)) => of_fetch(error.error.failure()),
    }
}

fn of_denial(denied: &DeniedBy) -> &'static str {
    match denied {
        DeniedBy::Permission(_) => "policy_permission",
        DeniedBy::Claim(_) => "policy_claim",
        DeniedBy::Test(_) => "policy_test",
        DeniedBy::Organization(_) => "policy_organization",
        DeniedBy::Client => "policy_client",
        DeniedBy::Principal => "policy_principal",
        DeniedBy::Actor(_) => "policy_actor",
        DeniedBy::AuthorizationDetail(_) => "policy_authorization_detail",
    }
}

fn of_scheme(error: SchemeError) -> &'static str {
    match error {
        SchemeError::SeveralFields => "authorization_repeated",
        SchemeError::NoCredentials => "dpop_credentials_missing",
        SchemeError::NotDpop => "dpop_scheme_required",
        SchemeError::ProofWithBearer => "proof_with_bearer",
    }
}

fn of_token(error: &TokenError) -> &'static str {
    match error {
        TokenError::Parse(error) => of_parse(error),
        TokenError::Encryption(error) => of_encryption(error),
        TokenError::NotEncrypted => "token_not_encrypted",
        TokenError::Header(error) | TokenError::Signature(VerifyError::Header(error)) => {
            of_header(error)
        }
        TokenError::Issuer(error) => match error {
            IssuerError::Missing => "issuer_missing",
            IssuerError::Format => "issuer_format",
            IssuerError::Mismatch => "issuer_mismatch",
            IssuerError::NotAllowed => "issuer_not_allowed",
        },
        TokenError::Claims(error) => of_claims(error),
        TokenError::Anonymous => "anonymous_session",
        TokenError::Confirmation(error) => match error {
            ConfirmationError::Format => "confirmation_format",
            ConfirmationError::DpopBoundAsBearer => "dpop_bound_token_as_bearer",
            ConfirmationError::BoundAsBearer => "bound_token_as_bearer",
            ConfirmationError::MissingThumbprint => "token_not_dpop_bound",
            ConfirmationError::Certificate => "token_certificate_bound",
            ConfirmationError::MissingCertificate => "certificate_missing",
            ConfirmationError::CertificateMismatch => "certificate_mismatch",
            ConfirmationError::Mismatch => "proof_key_not_of_token",
        },
        TokenError::Signature(error) => match error {
            VerifyError::NoMatchingKey => "key_unknown",
            VerifyError::KeyForOtherAlgorithm(_) => "key_for_other_algorithm",
            VerifyError::UnusableKey(_) => "key_unusable",
            VerifyError::InvalidSignature => "signature_invalid",
            _ => OTHER,
        },
        TokenError::ClaimType(_) => "claim_type",
        TokenError::ClaimsForm => "claims_form",
        TokenError::TooOld => "token_too_old",
        TokenError::Actor(_) => "actor_invalid",
    }
}

fn of_parse(error: &ParseError) -> &'static str {
    match error {
        ParseError::TooLarge { .. } => "token_too_large",
        ParseError::SegmentCount => "token_not_a_jwt",
        ParseError::Encoding(_) => "token_not_base64url",
        ParseError::NotAnObject(_) => "token_not_json",
        ParseError::DuplicateMember(_) => "token_member_repeated",
        _ => OTHER,
    }
}

fn of_encryption(error: &JweError) -> &'static str {
    match error {
        JweError::TooLarge { .. } => "token_too_large",
        JweError::SegmentCount => "token_not_a_jwt",
        JweError::Encoding(_) => "token_not_base64url",
        JweError::NotAnObject => "token_not_json",
        JweError::DuplicateMember => "token_member_repeated",
        JweError::Algorithm => "encryption_algorithm",
        JweError::ContentEncryption => "encryption_of_content",
        JweError::UnsupportedParameter(_) | JweError::InvalidParameter(_) => "encryption_parameter",
        JweError::ContentType => "encryption_content_type",
        JweError::NoMatchingKey => "decryption_key_unknown",
        JweError::Decryption => "decryption_failed",
        JweError::NotSigned => "encrypted_token_not_signed",
        JweError::ReplicatedClaim(_) => "encryption_claim_differs",
        _ => OTHER,
    }
}

fn of_header(error: &HeaderError) -> &'static str {
    match error {
        HeaderError::MissingAlgorithm => "algorithm_missing",
        HeaderError::Symmetric(_) => "algorithm_symmetric",
        HeaderError::AlgorithmNotAllowed => "algorithm_not_allowed",
        HeaderError::Critical => "header_crit",
        HeaderError::UnencodedPayload => "header_b64",
        HeaderError::NestedToken => "header_nested",
        HeaderError::Type => "token_type",
        HeaderError::MissingKeyId => "key_id_missing",
        _ => OTHER,
    }
}

fn of_claims(error: &ClaimValidationError) -> &'static str {
    match error {
        ClaimValidationError::Audience => "audience_mismatch",
        ClaimValidationError::MissingExpiry => "expiry_missing",
        ClaimValidationError::Expired => "token_expired",
        ClaimValidationError::MissingIssuedAt => "issued_at_missing",
        ClaimValidationError::NotYetValid => "token_not_yet_valid",
        ClaimValidationError::Type(_) => "claim_type",
        ClaimValidationError::MissingClaim(_) => "claim_missing",
        _ => OTHER,
    }
}

fn of_proof(error: &ProofError) -> &'static str {
    match error {
        ProofError::Missing => "proof_missing",
        ProofError::Multiple => "proof_repeated",
        ProofError::Parse(_) => "proof_not_a_jwt",
        ProofError::Type => "proof_type",
        ProofError::Algorithm => "proof_algorithm",
        ProofError::Header(_) => "proof_header",
        ProofError::MissingJwk => "proof_jwk_missing",
        ProofError::PrivateKey => "proof_private_key",
        ProofError::KeyType => "proof_key_type",
        ProofError::Curve(_) => "proof_curve",
        ProofError::Jwk(_) => "proof_jwk",
        ProofError::MissingClaim(_) => "proof_claim_missing",
        ProofError::ClaimType(_) => "proof_claim_type",
        ProofError::BlankJti => "proof_jti_blank",
        ProofError::LongJti => "proof_jti_long",
        ProofError::TooOld => "proof_too_old",
        ProofError::FromTheFuture => "proof_from_the_future",
        ProofError::Method => "proof_method",
        ProofError::Url => "proof_url",
        ProofError::AccessToken => "proof_access_token",
        ProofError::Nonce => "proof_nonce",
        ProofError::Key => "proof_key",
        ProofError::Signature => "proof_signature",
        ProofError::Replayed => "proof_replayed",
        _ => OTHER,
    }
}

pub(crate) fn of_fetch(failure: &FetchFailure) -> &'static str {
    match failure {
        FetchFailure::Transport(error) => match error.kind() {
            TransportErrorKind::Timeout => "keys_timeout",
            TransportErrorKind::Tls => "keys_tls",
            _ => "keys_transport",
        },
        FetchFailure::Status(_) => "keys_status",
        FetchFailure::TooLarge => "keys_too_large",
        FetchFailure::NotAnObject => "metadata_not_json",
        FetchFailure::UnreadableMember(_) => "metadata_member_unreadable",
        FetchFailure::IssuerMissing => "metadata_issuer_missing",
        FetchFailure::IssuerMismatch => "metadata_issuer_mismatch",
        FetchFailure::JwksUriMissing => "metadata_jwks_uri_missing",
        FetchFailure::JwksUriNotAllowed => "metadata_jwks_uri_not_allowed",
        FetchFailure::NotAKeySet => "keys_not_a_key_set",
        FetchFailure::EmptyKeySet => "keys_empty",
        FetchFailure::NoUsableKey(_) => "keys_unusable",
        FetchFailure::Abandoned => "keys_abandoned",
        FetchFailure::NotInTime => "keys_not_in_time",
        FetchFailure::Overloaded => "keys_overloaded",
        _ => OTHER,
    }
}

fn of_flow(error: &ClientFlowError) -> &'static str {
    match error {
        ClientFlowError::Request(_) => "exchange_request",
        ClientFlowError::OtherIssuer => "exchange_other_issuer",
        ClientFlowError::OtherAudience => "exchange_other_audience",
        ClientFlowError::NoCredentials => "exchange_credentials_missing",
        ClientFlowError::Endpoint(error) => match error {
            TokenEndpointError::Unavailable(error) => of_fetch(error.error.failure()),
            TokenEndpointError::Missing => "token_endpoint_missing",
            TokenEndpointError::Unreadable => "token_endpoint_unreadable",
            TokenEndpointError::NotAllowed => "token_endpoint_not_allowed",
            _ => OTHER,
        },
    }
}

fn of_exchange(error: &ExchangeError) -> &'static str {
    match error {
        ExchangeError::Refused(_) => "exchange_refused",
        ExchangeError::InvalidJson | ExchangeError::InvalidResponse(_) => "exchange_response",
        ExchangeError::Transport(error) => match error.kind() {
            TransportErrorKind::Timeout => "exchange_timeout",
            TransportErrorKind::Tls => "exchange_tls",
            _ => "exchange_transport",
        },
        ExchangeError::Signing(_) => "exchange_signing",
        _ => OTHER,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests;
