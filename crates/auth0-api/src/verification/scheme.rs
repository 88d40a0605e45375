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
#[non_exhaustive]
pub enum Scheme {
    /// `Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// `DPoP` (RFC 9449 section 7.1).
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
