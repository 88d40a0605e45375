//! Why a proof was refused.

use a0_jose::{ClaimError, HeaderError, JwkError, ParseError};

/// Why a proof was refused, in the order of the checks. Holds nothing of the proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The request has no proof (RFC 9449 section 7.1).
    #[error("The DPoP header with a proof is missing")]
    Missing,
    /// More than one proof, in one field or in several (RFC 9449 section 4.3, check 1).
    #[error("Multiple DPoP proofs are not allowed")]
    Multiple,
    /// Not one well-formed JWT (check 2).
    #[error("Failed to verify DPoP proof")]
    Parse(#[source] ParseError),
    /// `typ` is not `dpop+jwt` (check 4).
    #[error("Unexpected JWT 'typ' header parameter value")]
    Type,
    /// `alg` is not an allowed asymmetric algorithm (check 5).
    #[error("Unsupported algorithm in DPoP proof")]
    Algorithm,
    /// A header parameter that changes the meaning of others, and is not supported.
    #[error("Unsupported header parameter in DPoP proof")]
    Header(#[source] HeaderError),
    /// `jwk` is absent or not an object (check 3).
    #[error("Missing or invalid jwk in header")]
    MissingJwk,
    /// `jwk` has a member that belongs in no public key (check 7).
    #[error("Private key material found in jwk header")]
    PrivateKey,
    /// The key is not of the type that the algorithm needs.
    #[error("Only EC keys are supported for DPoP")]
    KeyType,
    /// The key is not on the curve that the algorithm needs.
    #[error("Only {0} curve is supported")]
    Curve(&'static str),
    /// The key is not acceptable (check 3). Whether it is for signatures, and on its curve, is looked
    /// at last, after the nonce.
    #[error("Missing or invalid jwk in header")]
    Jwk(#[source] JwkError),
    /// A claim is absent (check 3).
    #[error("Missing required claim: {0}")]
    MissingClaim(&'static str),
    /// A claim has a wrong type (check 3).
    #[error("{}", claim_type(.0))]
    ClaimType(#[from] ClaimError),
    /// `jti` is empty or white space only.
    #[error("jti claim must not be empty")]
    BlankJti,
    /// `jti` is longer than [`MAX_JTI`](crate::MAX_JTI).
    #[error("jti claim must not be longer than 256 bytes")]
    LongJti,
    /// `iat` is too far in the past (check 11).
    #[error("DPoP Proof iat is too old")]
    TooOld,
    /// `iat` is too far in the future (check 11).
    #[error("DPoP Proof iat is from the future")]
    FromTheFuture,
    /// `htm` is not the request's method (check 8).
    #[error("DPoP Proof htm mismatch")]
    Method,
    /// `htu` is not the request's URL (check 9).
    #[error("DPoP Proof htu mismatch")]
    Url,
    /// `ath` is not the hash of the access token (check 12).
    #[error("DPoP Proof ath mismatch")]
    AccessToken,
    /// `nonce` is absent, unknown or too old (check 10): answer with a fresh one.
    #[error("DPoP proof requires a current nonce")]
    Nonce,
    /// The key is not the one that was expected (check 12).
    #[error("DPoP Proof key does not match the expected key")]
    Key,
    /// The signature was not made by the key in `jwk` (check 6).
    #[error("JWT signature verification failed")]
    Signature,
    /// The proof came before (section 11.1).
    #[error("DPoP Proof has been used before")]
    Replayed,
}

impl ProofError {
    pub(crate) fn header(error: HeaderError) -> Self {
        match error {
            HeaderError::MissingAlgorithm
            | HeaderError::Symmetric(_)
            | HeaderError::AlgorithmNotAllowed => ProofError::Algorithm,
            other => ProofError::Header(other),
        }
    }
}

fn claim_type(error: &ClaimError) -> String {
    match error.claim {
        "iat" => "Invalid iat claim (must be integer or float)".to_owned(),
        "jti" => "jti claim must be a string".to_owned(),
        _ => error.to_string(),
    }
}
