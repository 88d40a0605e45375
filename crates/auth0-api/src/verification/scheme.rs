//! The schemes that credentials come in, and which of them an API takes.

/// Whether requests may, or must, prove possession of the key that their token is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DpopMode {
    /// Bearer tokens only. A token that is bound to a DPoP key is taken as a bearer token.
    Disabled,
    /// Both schemes; a token that is bound to a key needs its proof.
    #[default]
    Allowed,
    /// The scheme DPoP only.
    Required,
}

/// An authentication scheme that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    Dpop,
}
