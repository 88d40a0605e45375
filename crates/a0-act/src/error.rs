//! Why an `act` claim is invalid.

use thiserror::Error;

/// The maximum number of actors that [`get_delegation_chain`](crate::get_delegation_chain) reads:
/// 16, including the current one.
///
/// Each level is one more service that exchanged the token; the standard's own example has two. A
/// token of 16 KiB could nest hundreds of levels, so the limit bounds the work and the length of an
/// audit record. It is well below the depth of 128 at which `serde_json` stops parsing, so it
/// applies first.
pub const MAX_ACTORS: usize = 16;

/// Why an `act` claim is invalid. Refuse a token with such a claim: respond with 401
/// `invalid_token`.
///
/// The text names the violated rule and contains nothing from the claim.
///
/// # Example
///
/// ```
/// use a0_act::{ActError, get_current_actor};
/// use serde_json::json;
///
/// let claims = json!({"act": {"sub": "  "}});
/// let result = get_current_actor(claims.as_object().ok_or("not an object")?);
/// assert_eq!(result, Err(ActError::SubBlank));
/// assert_eq!(ActError::SubBlank.to_string(), "Invalid act claim: sub is blank");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum ActError {
    /// `act` is neither a JSON object nor null (RFC 8693 section 4.1).
    #[error("Invalid act claim: act is not a JSON object")]
    NotAnObject,
    /// An actor has no `sub`.
    #[error("Invalid act claim: sub is missing")]
    SubMissing,
    /// An actor's `sub` is not a string. It may not be null either.
    #[error("Invalid act claim: sub is not a string")]
    SubNotAString,
    /// An actor's `sub` is empty or has only white space.
    #[error("Invalid act claim: sub is blank")]
    SubBlank,
    /// An actor's `iss` is present but not a string. It may not be null either.
    #[error("Invalid act claim: iss is not a string")]
    IssNotAString,
    /// An actor's `client_id` is present but not a string. Only
    /// [`client_id`](crate::Actor::client_id) judges it.
    #[error("Invalid act claim: client_id is not a string")]
    ClientIdNotAString,
    /// An actor's `sub_profile` is present but not a string. Only
    /// [`sub_profile`](crate::Actor::sub_profile) judges it.
    #[error("Invalid act claim: sub_profile is not a string")]
    SubProfileNotAString,
    /// An actor's `client_profile` is present but not a string. Only
    /// [`client_profile`](crate::Actor::client_profile) judges it.
    #[error("Invalid act claim: client_profile is not a string")]
    ClientProfileNotAString,
    /// More than [`MAX_ACTORS`] actors are nested. Only the delegation chain is invalid; the
    /// current actor can still be read.
    #[error("Invalid act claim: more than {MAX_ACTORS} actors are nested")]
    TooDeep,
}
