//! The kinds of entity that a subject or a client is.

use std::fmt;

/// The value of `sub_profile` or `client_profile`: the kinds of entity that a subject or a client is
/// ([OAuth Entity Profiles], a draft). Auth0 uses `user`, `service`, `ai_agent`, `browser_app` and
/// `native_app`.
///
/// The value is a list, separated by spaces. Its order has no meaning, and the case of ASCII letters
/// does not count. Ask [`contains`](Self::contains): a comparison of the whole text misses the agent
/// in `service ai_agent`.
///
/// # Example
///
/// ```
/// use a0_act::EntityProfile;
///
/// let profile = EntityProfile::new("service ai_agent");
/// assert!(profile.contains("ai_agent"));
/// assert!(!profile.contains("agent"));
/// assert_eq!(profile.iter().collect::<Vec<_>>(), ["service", "ai_agent"]);
/// ```
///
/// [OAuth Entity Profiles]: https://datatracker.ietf.org/doc/draft-mora-oauth-entity-profiles/
#[derive(Clone, Copy)]
pub struct EntityProfile<'a>(&'a str);

impl<'a> EntityProfile<'a> {
    /// Reads the text of a claim. Every text is accepted; one without values is an empty list.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Whether the list has this value. The case does not matter.
    #[must_use]
    pub fn contains(&self, value: &str) -> bool {
        self.iter().any(|one| one.eq_ignore_ascii_case(value))
    }

    /// Iterates over the values, as they are written. Only the space separates them.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(' ').filter(|value| !value.is_empty())
    }

    /// Returns the text of the claim unchanged.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for EntityProfile<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("EntityProfile")
            .field(&self.0)
            .finish()
    }
}
