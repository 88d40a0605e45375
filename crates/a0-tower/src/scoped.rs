//! Scopes that one handler requires.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use auth0_api::Policy;
use http::Extensions;

use crate::refusal::Refusal;
use crate::verified::{ClaimsType, Untyped, Verified};

/// The scopes that a handler requires, as a type for [`Scoped`]. The macro [`scopes`](crate::scopes) writes
/// it.
pub trait Scopes {
    /// The scopes, all of which a token must have. An empty list, and a value that is not a scope (RFC 6749
    /// section 3.3), do not compile.
    const SCOPES: &'static [&'static str];
}

/// Declares a type for [`Scoped`]: its name, and one or more scopes, all of which a token must have.
///
/// ```
/// a0_tower::scopes!(pub WriteOrders: "read:orders", "write:orders");
/// ```
#[macro_export]
macro_rules! scopes {
    ($visibility:vis $name:ident: $($scope:literal),+ $(,)?) => {
        #[doc = concat!("Requires", $(" `", $scope, "`"),+, ".")]
        $visibility struct $name;

        impl $crate::Scopes for $name {
            const SCOPES: &'static [&'static str] = &[$($scope),+];
        }
    };
}

/// A verified token with the scopes `S`, and with its claims as your own type `C`. An extractor for axum's
/// handlers.
///
/// A token without one of the scopes is refused with 403 `insufficient_scope`. The challenge names these
/// scopes and those of the layer. [`scope_implies`](auth0_api::Builder::scope_implies) applies. Everything
/// else is as with [`Verified`], whose methods can be called on it.
///
/// ```
/// use a0_tower::Scoped;
///
/// a0_tower::scopes!(WriteOrders: "write:orders");
///
/// async fn create(token: Scoped<WriteOrders>) -> String {
///     format!("created with {:?}", token.scheme())
/// }
/// ```
///
/// An empty list of scopes does not compile:
///
/// ```compile_fail
/// struct Nothing;
///
/// impl a0_tower::Scopes for Nothing {
///     const SCOPES: &'static [&'static str] = &[];
/// }
///
/// let _ = a0_tower::Scoped::<Nothing>::from_extensions(&http::Extensions::new());
/// ```
pub struct Scoped<S, C = Untyped> {
    token: Verified<C>,
    scopes: PhantomData<fn() -> S>,
}

impl<S: Scopes, C: ClaimsType> Scoped<S, C> {
    /// Reads the token from the extensions of a request that passed the layer, for stacks other than axum.
    ///
    /// # Errors
    ///
    /// 403 `insufficient_scope` if the token lacks one of the scopes, and those that the table of
    /// [`Verified`] lists.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Refusal> {
        Scoped::new(Verified::from_extensions(extensions)?)
    }

    /// As [`from_extensions`](Self::from_extensions), but `None` for a request without credentials that an
    /// optional layer let pass.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn optional_from_extensions(extensions: &Extensions) -> Result<Option<Self>, Refusal> {
        let token = Verified::optional_from_extensions(extensions)?;
        token.map(Scoped::new).transpose()
    }

    fn new(token: Verified<C>) -> Result<Self, Refusal> {
        const { assert!(are_scopes(S::SCOPES), "every value must be a scope") }
        token.require(&Policy::scopes_all(S::SCOPES.iter().copied()))?;
        Ok(Scoped {
            token,
            scopes: PhantomData,
        })
    }
}

impl<S, C> Scoped<S, C> {
    /// The token, without its scopes as a type.
    pub fn into_verified(self) -> Verified<C> {
        self.token
    }
}

/// Whether there is a scope, and each has the form of RFC 6749 section 3.3.
pub(crate) const fn are_scopes(mut scopes: &[&str]) -> bool {
    if scopes.is_empty() {
        return false;
    }
    while let [scope, others @ ..] = scopes {
        let mut octets = scope.as_bytes();
        if octets.is_empty() {
            return false;
        }
        while let [octet, rest @ ..] = octets {
            if !matches!(octet, 0x21 | 0x23..=0x5b | 0x5d..=0x7e) {
                return false;
            }
            octets = rest;
        }
        scopes = others;
    }
    true
}

impl<S, C> Deref for Scoped<S, C> {
    type Target = Verified<C>;

    fn deref(&self) -> &Verified<C> {
        &self.token
    }
}

impl<S, C: Clone> Clone for Scoped<S, C> {
    fn clone(&self) -> Self {
        Scoped {
            token: self.token.clone(),
            scopes: PhantomData,
        }
    }
}

impl<S, C> fmt::Debug for Scoped<S, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token.fmt(formatter)
    }
}
