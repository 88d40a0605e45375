//! Actors and the delegation chain. All types borrow from the claims, so the only allocation is the
//! chain's list.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde_json::{Map, Value};

use crate::error::ActError;
use crate::profile::EntityProfile;

/// The accessors of both types. `entry` returns the actor.
macro_rules! members {
    () => {
        /// Returns the actor's `sub` unchanged. It is never blank.
        #[must_use]
        pub fn sub(&self) -> &'a str {
            self.entry().sub
        }

        /// Returns the actor's `iss` unchanged, if it has one.
        #[must_use]
        pub fn iss(&self) -> Option<&'a str> {
            self.entry().iss
        }

        /// Returns the actor's `client_id` unchanged, if it has one: the client through which the actor
        /// got the token.
        ///
        /// # Errors
        ///
        /// [`ActError::ClientIdNotAString`] for every other type, null included.
        pub fn client_id(&self) -> Result<Option<&'a str>, ActError> {
            text(self.entry().act, "client_id", ActError::ClientIdNotAString)
        }

        /// Returns the actor's `sub_profile`, if it has one: the kinds of entity that `sub` names.
        ///
        /// # Errors
        ///
        /// [`ActError::SubProfileNotAString`] for every other type, null included.
        pub fn sub_profile(&self) -> Result<Option<EntityProfile<'a>>, ActError> {
            let profile = text(
                self.entry().act,
                "sub_profile",
                ActError::SubProfileNotAString,
            )?;
            Ok(profile.map(EntityProfile::new))
        }

        /// Returns the actor's `client_profile`, if it has one: the kinds of entity that `client_id`
        /// names.
        ///
        /// # Errors
        ///
        /// [`ActError::ClientProfileNotAString`] for every other type, null included.
        pub fn client_profile(&self) -> Result<Option<EntityProfile<'a>>, ActError> {
            let error = ActError::ClientProfileNotAString;
            let profile = text(self.entry().act, "client_profile", error)?;
            Ok(profile.map(EntityProfile::new))
        }
    };
}

/// One entry of a delegation chain, current or prior, for records.
///
/// `sub` identifies an actor, together with `iss` if subjects of several issuers may occur (RFC
/// 8693 section 4.1). Two actors are equal if both values are. `Debug` shows these two.
///
/// Do not use an `Actor` in access decisions; use a [`CurrentActor`].
///
/// # Example
///
/// ```
/// use a0_act::get_delegation_chain;
/// use serde_json::json;
///
/// let claims = json!({"act": {
///     "sub": "reports",
///     "iss": "https://issuer.example/",
///     "client_id": "reports-client",
///     "sub_profile": "ai_agent",
/// }});
/// for actor in &get_delegation_chain(claims.as_object().ok_or("not an object")?)? {
///     assert_eq!(actor.sub(), "reports");
///     assert_eq!(actor.iss(), Some("https://issuer.example/"));
///     assert_eq!(actor.client_id()?, Some("reports-client"));
///     assert!(actor.sub_profile()?.is_some_and(|profile| profile.contains("ai_agent")));
///     assert!(actor.client_profile()?.is_none());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Actor<'a> {
    sub: &'a str,
    iss: Option<&'a str>,
    /// The whole entry, for the members that are judged when they are read.
    act: &'a Map<String, Value>,
}

impl<'a> Actor<'a> {
    pub(crate) fn new(sub: &'a str, iss: Option<&'a str>, act: &'a Map<String, Value>) -> Self {
        Self { sub, iss, act }
    }

    members!();

    fn entry(self) -> Self {
        self
    }
}

impl PartialEq for Actor<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.sub, self.iss) == (other.sub, other.iss)
    }
}

impl Eq for Actor<'_> {}

impl Hash for Actor<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.sub, self.iss).hash(state);
    }
}

impl fmt::Debug for Actor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Actor")
            .field("sub", &self.sub)
            .field("iss", &self.iss)
            .finish_non_exhaustive()
    }
}

/// Reads a member that must be a string if it is present.
fn text<'a>(
    act: &'a Map<String, Value>,
    name: &str,
    error: ActError,
) -> Result<Option<&'a str>, ActError> {
    let value = act.get(name);
    value.map(|value| value.as_str().ok_or(error)).transpose()
}

/// The current actor: the only one for access decisions.
///
/// Only [`get_current_actor`](crate::get_current_actor) and [`DelegationChain::current`] return it.
/// Functions that decide access should take this type, and neither an [`Actor`] nor a string.
///
/// # Example
///
/// ```
/// use a0_act::{ActError, CurrentActor, get_current_actor};
/// use serde_json::json;
///
/// fn may_export(actor: CurrentActor<'_>) -> Result<bool, ActError> {
///     let is_agent = actor.sub_profile()?.is_some_and(|profile| profile.contains("ai_agent"));
///     Ok(actor.iss().is_none() && actor.sub() == "reports" && !is_agent)
/// }
///
/// let claims = json!({"sub": "alice", "act": {"sub": "reports", "sub_profile": "service"}});
/// let actor = get_current_actor(claims.as_object().ok_or("not an object")?)?.ok_or("no actor")?;
/// assert!(may_export(actor)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CurrentActor<'a>(Actor<'a>);

impl<'a> CurrentActor<'a> {
    pub(crate) fn new(outermost: Actor<'a>) -> Self {
        Self(outermost)
    }

    members!();

    fn entry(self) -> Actor<'a> {
        self.0
    }
}

/// Converts the current actor for records. There is no conversion back.
impl<'a> From<CurrentActor<'a>> for Actor<'a> {
    fn from(current: CurrentActor<'a>) -> Self {
        current.0
    }
}

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
    /// [`MAX_ACTORS`](crate::MAX_ACTORS).
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
