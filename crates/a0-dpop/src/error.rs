//! The error for a refused proof.

use a0_jose::{ClaimError, HeaderError, JwkError, ParseError};

/// The error for a refused proof. The variants are in the order of the checks. It holds no part of
/// the proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The request has no proof (RFC 9449 section 7.1).
    #[error("The DPoP header with a proof is missing")]
    Missing,
    /// The request has more than one proof, in one field or in several (RFC 9449 section 4.3, check
    /// 1).
    #[error("Multiple DPoP proofs are not allowed")]
    Multiple,
    /// The proof is not one well-formed JWT (check 2).
    #[error("Failed to verify DPoP proof")]
    Parse(#[source] ParseError),
    /// `typ` is not `dpop+jwt` (check 4).
    #[error("Unexpected JWT 'typ' header parameter value")]
    Type,
    /// `alg` is not an allowed asymmetric algorithm (check 5).
    #[error("Unsupported algorithm in DPoP proof")]
    Algorithm,
    /// A header parameter is an extension that is not supported: `crit`, `b64` or a nested token.
    #[error("Unsupported header parameter in DPoP proof")]
    Header(#[source] HeaderError),
    /// `jwk` is absent or not an object (check 3).
    #[error("Missing or invalid jwk in header")]
    MissingJwk,
    /// `jwk` has a member of a private or secret key (check 7).
    #[error("Private key material found in jwk header")]
    PrivateKey,
    /// The key does not have the type that the algorithm requires.
    #[error("Only EC keys are supported for DPoP")]
    KeyType,
    /// The key is not on the curve that the algorithm requires.
    #[error("Only {0} curve is supported")]
    Curve(&'static str),
    /// The key is not acceptable (check 3). Whether the key is for signatures by this algorithm,
    /// and on its curve, is checked after the nonce.
    #[error("Missing or invalid jwk in header")]
    Jwk(#[source] JwkError),
    /// A claim is absent (check 3).
    #[error("Missing required claim: {0}")]
    MissingClaim(&'static str),
    /// A claim has a wrong type (check 3).
    #[error("{}", claim_type(.0))]
    ClaimType(#[from] ClaimError),
    /// `jti` is empty or only white space.
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
    /// `nonce` is absent, unknown or too old (check 10). Answer with a fresh one.
    #[error("DPoP proof requires a current nonce")]
    Nonce,
    /// The key is not the expected one (check 12).
    #[error("DPoP Proof key does not match the expected key")]
    Key,
    /// The key in `jwk` does not verify the signature (check 6).
    #[error("JWT signature verification failed")]
    Signature,
    /// The proof was used before (section 11.1).
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
