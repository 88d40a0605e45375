//! From claims to actors.

use serde_json::{Map, Value};

use crate::{ActError, Actor, CurrentActor, DelegationChain};

/// The most actors that [`get_delegation_chain`] reads: 16, the current one included.
///
/// Every level is one more service that exchanged the token for another; the standard's own example
/// has two. 16 leaves ample room and still bounds the work and the length of an audit record, where
/// a token of 16 KiB could nest hundreds of levels. It is well under the depth of 128 at which
/// `serde_json` stops parsing, so this limit is the one that is met first.
pub const MAX_ACTORS: usize = 16;

/// Gives the current actor: the outermost `act` of a verified token's claims.
///
/// `claims` is the token's whole claims set. `Ok(None)` means that nobody acts on behalf of the
/// subject: `act` is absent or null.
///
/// Only the outermost level is read. What is nested inside says nothing about who acts now, so a
/// malformed prior actor, or a chain that is too deep, does not fail this call; it fails
/// [`get_delegation_chain`].
///
/// # Errors
///
/// Every [`ActError`] but [`ActError::TooDeep`].
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
/// let refused = get_current_actor(claims.as_object().ok_or("not an object")?);
/// assert_eq!(refused, Err(ActError::NotAnObject));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn get_current_actor(
    claims: &Map<String, Value>,
) -> Result<Option<CurrentActor<'_>>, ActError> {
    Ok(read_level(claims)?.map(|(actor, _)| CurrentActor::new(actor)))
}

/// Gives all actors of a verified token's claims, the current one first, the oldest last.
///
/// `claims` is the token's whole claims set. Without `act`, or where it is null, the chain is
/// empty; a nested `act` that is null ends it.
///
/// The chain is for audit and attribution. Decide access by [`DelegationChain::current`] or
/// [`get_current_actor`] alone (RFC 8693 section 4.1).
///
/// # Errors
///
/// Any [`ActError`], whichever level it is met at; [`ActError::TooDeep`] beyond [`MAX_ACTORS`].
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
    // A loop, not a recursion: the claims may have been built by hand, deeper than any parser goes.
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

/// Reads the `act` member of `claims`: the actor, and the object that may hold the next one.
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
        // Absent and unreadable are not the same: an actor may be told apart only by its issuer.
        Some(_) => return Err(ActError::IssNotAString),
    };
    Ok(Some((Actor::new(sub, iss), act)))
}

/// Unicode white space, and the four separators U+001C to U+001F, which Unicode's property leaves
/// out although they are as invisible in a log.
fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}'))
}
