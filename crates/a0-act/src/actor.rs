//! The actors and their chain. All borrow from the claims: reading them allocates nothing but the
//! chain's own list, and what a caller wants to keep is one `to_owned` away.

/// One entry of a delegation chain, current or prior, for records.
///
/// An actor is identified by what it says: `sub`, together with `iss` where subjects of several
/// issuers may meet (RFC 8693 section 4.1). Two actors are equal if both members are.
///
/// An `Actor` decides nothing. The actor that may decide access is a [`CurrentActor`].
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

    /// The actor's `sub`, as it stands in the claims; never blank.
    #[must_use]
    pub fn sub(&self) -> &'a str {
        self.sub
    }

    /// The actor's `iss`, if it has one, as it stands in the claims.
    #[must_use]
    pub fn iss(&self) -> Option<&'a str> {
        self.iss
    }
}

/// The party that uses the token now: the only actor that may decide access.
///
/// It is made by [`get_current_actor`](crate::get_current_actor) and
/// [`DelegationChain::current`] alone. Take this type, not [`Actor`] and not a string, where an
/// access decision is made.
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

    /// The actor's `sub`, as it stands in the claims; never blank.
    #[must_use]
    pub fn sub(&self) -> &'a str {
        self.0.sub
    }

    /// The actor's `iss`, if it has one, as it stands in the claims.
    #[must_use]
    pub fn iss(&self) -> Option<&'a str> {
        self.0.iss
    }
}

/// The current actor may go into the records; there is no way back.
impl<'a> From<CurrentActor<'a>> for Actor<'a> {
    fn from(current: CurrentActor<'a>) -> Self {
        current.0
    }
}

/// The actors of a token, newest first: the current one, then the prior ones.
///
/// Made by [`get_delegation_chain`](crate::get_delegation_chain). It is empty where nobody acts on
/// behalf of the subject. Everything but [`current`](Self::current) is history.
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

    /// The actor that may decide access, or `None` if nobody acts on behalf of the subject.
    #[must_use]
    pub fn current(&self) -> Option<CurrentActor<'a>> {
        self.actors.first().copied().map(CurrentActor::new)
    }

    /// The actors before the current one, newest first: history that decides nothing.
    #[must_use]
    pub fn prior(&self) -> &[Actor<'a>] {
        self.actors.get(1..).unwrap_or_default()
    }

    /// All actors, newest first, for records.
    pub fn iter(&self) -> std::slice::Iter<'_, Actor<'a>> {
        self.actors.iter()
    }

    /// How many actors there are, the current one included; at most
    /// [`MAX_ACTORS`](crate::MAX_ACTORS).
    #[must_use]
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether nobody acts on behalf of the subject.
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
