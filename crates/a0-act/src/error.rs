//! Why an `act` claim is refused.

use thiserror::Error;

use crate::MAX_ACTORS;

/// Why an `act` claim is refused. A token that carries such a claim is not to be accepted: the
/// answer to it is 401 `invalid_token`.
///
/// The text says which rule was broken and quotes nothing of the claim.
///
/// # Example
///
/// ```
/// use a0_act::{ActError, get_current_actor};
/// use serde_json::json;
///
/// let claims = json!({"act": {"sub": "  "}});
/// let refused = get_current_actor(claims.as_object().ok_or("not an object")?);
/// assert_eq!(refused, Err(ActError::SubBlank));
/// assert_eq!(ActError::SubBlank.to_string(), "Invalid act claim: sub is blank");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ActError {
    /// `act` is neither a JSON object nor null (RFC 8693 section 4.1).
    #[error("Invalid act claim: act is not a JSON object")]
    NotAnObject,
    /// An actor has no `sub`: it names nobody.
    #[error("Invalid act claim: sub is missing")]
    SubMissing,
    /// An actor's `sub` is not a string; null is not one.
    #[error("Invalid act claim: sub is not a string")]
    SubNotAString,
    /// An actor's `sub` is empty or holds white space only.
    #[error("Invalid act claim: sub is blank")]
    SubBlank,
    /// An actor's `iss` is present and not a string; null is not one.
    #[error("Invalid act claim: iss is not a string")]
    IssNotAString,
    /// More than [`MAX_ACTORS`] actors are nested. Only the delegation chain is refused for
    /// this; the current actor can still be read.
    #[error("Invalid act claim: more than {MAX_ACTORS} actors are nested")]
    TooDeep,
}
