//! The authentication schemes, and which of them an API accepts.

/// Whether requests may or must prove possession of the key that their token is bound to (RFC 9449).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DpopMode {
    /// The API accepts bearer tokens only. A token that is bound to a DPoP key is accepted as a bearer token.
    Disabled,
    /// The API accepts both schemes. A token that is bound to a key needs a proof.
    #[default]
    Allowed,
    /// The API accepts the scheme DPoP only.
    Required,
}

/// A supported authentication scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    /// Finds the scheme of a name. The case does not matter (RFC 9110 section 11.1).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("dpop") {
            Some(Scheme::Dpop)
        } else if name.eq_ignore_ascii_case("bearer") {
            Some(Scheme::Bearer)
        } else {
            None
        }
    }
}
