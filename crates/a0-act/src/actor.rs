//! Actors and the delegation chain. All types borrow from the claims, so the only allocation is the
//! chain's list.

/// One entry of a delegation chain, current or prior, for records.
///
/// `sub` identifies an actor, together with `iss` if subjects of several issuers may occur (RFC
/// 8693 section 4.1). Two actors are equal if both values are.
///
/// Do not use an `Actor` in access decisions; use a [`CurrentActor`].
///
/// # Example
///
/// ```
/// use a0_act::get_delegation_chain;
/// use serde_json::json;
///
/// let claims = json!({"act": {"sub": "reports", "iss": "https://issuer.example/"}});
/// for actor in &get_delegation_chain(claims.as_object().ok_or("not an object")?)? {
///     assert_eq!(actor.sub(), "reports");
///     assert_eq!(actor.iss(), Some("https://issuer.example/"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actor<'a> {
    sub: &'a str,
    iss: Option<&'a str>,
}

impl<'a> Actor<'a> {
    pub(crate) fn new(sub: &'a str, iss: Option<&'a str>) -> Self {
        Self { sub, iss }
    }

    /// Returns the actor's `sub` unchanged. It is never blank.
    #[must_use]
    pub fn sub(&self) -> &'a str {
        self.sub
    }

    /// Returns the actor's `iss` unchanged, if it has one.
    #[must_use]
    pub fn iss(&self) -> Option<&'a str> {
        self.iss
    }
}

/// The current actor: the only one for access decisions.
///
/// Only [`get_current_actor`](crate::get_current_actor) and [`DelegationChain::current`] return it.
/// Functions that decide access should take this type, and neither an [`Actor`] nor a string.
///
/// # Example
///
/// ```
/// use a0_act::{CurrentActor, get_current_actor};
/// use serde_json::json;
///
/// fn may_export(actor: CurrentActor<'_>) -> bool {
///     actor.iss().is_none() && actor.sub() == "reports"
/// }
///
/// let claims = json!({"sub": "alice", "act": {"sub": "reports"}});
/// let actor = get_current_actor(claims.as_object().ok_or("not an object")?)?;
/// assert!(actor.is_some_and(may_export));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurrentActor<'a>(Actor<'a>);

impl<'a> CurrentActor<'a> {
    pub(crate) fn new(outermost: Actor<'a>) -> Self {
        Self(outermost)
    }

    /// Returns the actor's `sub` unchanged. It is never blank.
    #[must_use]
    pub fn sub(&self) -> &'a str {
        self.0.sub
    }

    /// Returns the actor's `iss` unchanged, if it has one.
    #[must_use]
    pub fn iss(&self) -> Option<&'a str> {
        self.0.iss
    }
}

/// Converts the current actor for records. There is no conversion back.
impl<'a> From<CurrentActor<'a>> for Actor<'a> {
    fn from(current: CurrentActor<'a>) -> Self {
        current.0
    }
}

/// The maximum number of actors that [`get_delegation_chain`](crate::get_delegation_chain) reads:
/// 16, including the current one.
///
/// Each level is one more service that exchanged the token; the standard's own example has two. A
/// token of 16 KiB could nest hundreds of levels, so the limit bounds the work and the length of an
/// audit record. It is well below the depth of 128 at which `serde_json` stops parsing, so it
/// applies first.
pub const MAX_ACTORS: usize = 16;

/// The actors of a token, newest first: the current one, then the prior ones.
///
/// [`get_delegation_chain`](crate::get_delegation_chain) returns it. It is empty if there is no
/// actor. All entries except [`current`](Self::current) are history.
///
/// # Example
///
/// ```
/// use a0_act::get_delegation_chain;
/// use serde_json::json;
///
/// let claims = json!({"sub": "alice", "act": {"sub": "reports", "act": {"sub": "gateway"}}});
/// let chain = get_delegation_chain(claims.as_object().ok_or("not an object")?)?;
/// let record: Vec<&str> = chain.into_iter().map(|actor| actor.sub()).collect();
/// assert_eq!(record.join(" <- "), "reports <- gateway");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct DelegationChain<'a> {
    actors: Vec<Actor<'a>>,
}

impl<'a> DelegationChain<'a> {
    pub(crate) fn new(actors: Vec<Actor<'a>>) -> Self {
        Self { actors }
    }

    /// Returns the actor for access decisions, or `None` if there is no actor.
    #[must_use]
    pub fn current(&self) -> Option<CurrentActor<'a>> {
        self.actors.first().copied().map(CurrentActor::new)
    }

    /// Returns the actors before the current one, newest first. Do not use them in access
    /// decisions.
    #[must_use]
    pub fn prior(&self) -> &[Actor<'a>] {
        self.actors.get(1..).unwrap_or_default()
    }

    /// Iterates over all actors, newest first, for records.
    pub fn iter(&self) -> std::slice::Iter<'_, Actor<'a>> {
        self.actors.iter()
    }

    /// Returns the number of actors, including the current one. It is at most
    /// [`MAX_ACTORS`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether there is no actor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }
}

impl<'c, 'a> IntoIterator for &'c DelegationChain<'a> {
    type Item = &'c Actor<'a>;
    type IntoIter = std::slice::Iter<'c, Actor<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for DelegationChain<'a> {
    type Item = Actor<'a>;
    type IntoIter = std::vec::IntoIter<Actor<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.actors.into_iter()
    }
}
