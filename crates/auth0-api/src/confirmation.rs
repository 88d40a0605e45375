//! The `cnf` claim, RFC 7800: whether whoever sends a token is the one it was issued to.

use a0_jose::Claims;
use serde_json::Value;

/// Refuses a token that is bound to a key when it comes as a bearer token, which proves no key.
///
/// Whatever `cnf` holds, its presence says that the token is of no use without a proof, so what
/// cannot be understood fails closed (RFC 7800 section 3.1, RFC 9449 section 7.2).
pub(crate) fn judge_bearer(claims: &Claims) -> Result<(), ConfirmationError> {
    match claims.get("cnf") {
        None => Ok(()),
        Some(Value::Object(members)) if members.is_empty() => Err(ConfirmationError::Format),
        Some(Value::Object(members)) if members.contains_key("jkt") => {
            Err(ConfirmationError::DpopBoundAsBearer)
        }
        Some(Value::Object(_)) => Err(ConfirmationError::BoundAsBearer),
        Some(_) => Err(ConfirmationError::Format),
    }
}

/// Why `cnf` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmationError {
    /// Not an object, or an empty one.
    #[error("JWT Access Token has invalid confirmation claim format")]
    Format,
    /// The token is bound to a DPoP key and came as a bearer token.
    #[error("DPoP-bound token requires the DPoP authentication scheme, not Bearer")]
    DpopBoundAsBearer,
    /// The token is bound by a means that is not supported and came as a bearer token.
    #[error("Sender-constrained token cannot be used as a Bearer token")]
    BoundAsBearer,
}
