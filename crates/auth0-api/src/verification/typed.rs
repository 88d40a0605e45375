//! A verified token whose claims have a type of the caller's own.

use std::fmt;

use super::token::VerifiedToken;

/// A verified token with its claims as your own type. Only a verification creates one, so a handler that
/// takes it cannot run without.
///
/// ```
/// # fn handler(token: auth0_api::VerifiedToken) -> Result<(), auth0_api::Error> {
/// #[derive(serde::Deserialize)]
/// struct Claims {
///     sub: String,
///     #[serde(rename = "https://api.example/plan")]
///     plan: String,
/// }
///
/// let verified = token.typed::<Claims>()?;
/// println!("{} is on {}", verified.claims().sub, verified.claims().plan);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
pub struct Verified<C> {
    token: VerifiedToken,
    claims: C,
}

impl<C> Verified<C> {
    pub(super) fn new(token: VerifiedToken, claims: C) -> Self {
        Verified { token, claims }
    }

    /// The claims.
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The claims, by value.
    pub fn into_claims(self) -> C {
        self.claims
    }

    /// The token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }
}

impl<C> fmt::Debug for Verified<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Verified")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
