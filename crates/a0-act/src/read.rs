//! Reads actors from claims.

use serde_json::{Map, Value};

use crate::actor::{Actor, CurrentActor, DelegationChain};
use crate::error::{ActError, MAX_ACTORS};

/// Returns the current actor: the outermost `act` of a verified token's claims.
///
/// `claims` is the token's whole claims set. `Ok(None)` means that there is no actor: `act` is
/// absent or null.
///
/// This function reads only the outermost level, and judges `sub` and `iss`, which identify the
/// actor. `client_id`, `sub_profile` and `client_profile` are judged by the accessors that return
/// them. A malformed prior actor, or a chain that is too deep, is an error of
/// [`get_delegation_chain`] but not of this function.
///
/// # Errors
///
/// Returns an [`ActError`] if the outermost `act` is invalid. It never returns
/// [`ActError::TooDeep`].
///
/// # Example
///
/// ```
/// use a0_act::{ActError, get_current_actor};
/// use serde_json::json;
///
/// let claims = json!({"sub": "alice", "act": {"sub": "reports", "iss": "https://issuer.example/"}});
/// let actor = get_current_actor(claims.as_object().ok_or("not an object")?)?.ok_or("no actor")?;
/// assert_eq!(actor.sub(), "reports");
/// assert_eq!(actor.iss(), Some("https://issuer.example/"));
///
/// let claims = json!({"sub": "alice", "act": "reports"});
/// let result = get_current_actor(claims.as_object().ok_or("not an object")?);
/// assert_eq!(result, Err(ActError::NotAnObject));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn get_current_actor(
    claims: &Map<String, Value>,
) -> Result<Option<CurrentActor<'_>>, ActError> {
    Ok(read_level(claims)?.map(|(actor, _)| CurrentActor::new(actor)))
}

/// Returns all actors of a verified token's claims, the current one first and the oldest last.
///
/// `claims` is the token's whole claims set. If `act` is absent or null, the chain is empty. A
/// nested `act` that is null ends the chain. Every level is judged by the rules of
/// [`get_current_actor`].
///
/// The chain is for audit and attribution. For access decisions, use only
/// [`DelegationChain::current`] or [`get_current_actor`] (RFC 8693 section 4.1).
///
/// # Errors
///
/// Returns an [`ActError`] if `act` is invalid at any level, or [`ActError::TooDeep`] if there are
/// more than [`MAX_ACTORS`].
///
/// # Example
///
/// ```
/// use a0_act::get_delegation_chain;
/// use serde_json::json;
///
/// let claims = json!({"sub": "alice", "act": {"sub": "reports", "act": {"sub": "gateway"}}});
/// let chain = get_delegation_chain(claims.as_object().ok_or("not an object")?)?;
/// assert_eq!(chain.len(), 2);
/// assert_eq!(chain.current().map(|actor| actor.sub()), Some("reports"));
/// assert_eq!(chain.prior().iter().map(|actor| actor.sub()).collect::<Vec<_>>(), ["gateway"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn get_delegation_chain(claims: &Map<String, Value>) -> Result<DelegationChain<'_>, ActError> {
    let mut actors = Vec::new();
    let mut level = claims;
    // No recursion: a caller can build claims that are deeper than any parser allows.
    while let Some((actor, next)) = read_level(level)? {
        if actors.len() == MAX_ACTORS {
            return Err(ActError::TooDeep);
        }
        actors.push(actor);
        level = next;
    }
    Ok(DelegationChain::new(actors))
}

type Level<'a> = (Actor<'a>, &'a Map<String, Value>);

/// Reads `act` of `claims`. Returns the actor, and the object that may contain the next `act`.
fn read_level(claims: &Map<String, Value>) -> Result<Option<Level<'_>>, ActError> {
    let act = match claims.get("act") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(act)) => act,
        Some(_) => return Err(ActError::NotAnObject),
    };
    let sub = match act.get("sub") {
        None => return Err(ActError::SubMissing),
        Some(Value::String(sub)) if is_blank(sub) => return Err(ActError::SubBlank),
        Some(Value::String(sub)) => sub.as_str(),
        Some(_) => return Err(ActError::SubNotAString),
    };
    let iss = match act.get("iss") {
        None => None,
        Some(Value::String(iss)) => Some(iss.as_str()),
        // An invalid `iss` must not count as absent, because only `iss` may distinguish two actors.
        Some(_) => return Err(ActError::IssNotAString),
    };
    Ok(Some((Actor::new(sub, iss, act), act)))
}

/// Whether the text has only white space. The separators U+001C to U+001F count too: Unicode does
/// not list them as white space, but they are just as invisible in a log.
fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}
