//! The verified token of a request, for handlers.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use auth0_api::{Error, NumericDate, Policy, VerifiedToken};
use http::Extensions;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::guard::Expiry;
use crate::mark::{LayerPolicy, Mark};
use crate::refusal::Refusal;

/// The verified token of a request, and its claims as your own type `C`. An extractor for axum's handlers.
///
/// A handler that takes it runs only for requests that the layer verified. The methods of
/// [`VerifiedToken`] can be called on it. Without a type, it deserializes no claims.
///
/// ```
/// use a0_tower::Verified;
///
/// #[derive(serde::Deserialize)]
/// struct Claims {
///     #[serde(rename = "https://api.example/plan")]
///     plan: String,
/// }
///
/// async fn typed(token: Verified<Claims>) -> String {
///     format!("You are on the plan {}", token.claims().plan)
/// }
///
/// async fn for_everyone(token: Option<Verified>) -> &'static str {
///     if token.is_some() { "welcome back" } else { "welcome" }
/// }
/// ```
///
/// | the request | `Verified<C>` | `Option<Verified<C>>` |
/// |---|---|---|
/// | has acceptable credentials | the token | `Some` |
/// | has acceptable credentials, and the claims do not fit `C` | 401 `invalid_token` | 401 `invalid_token` |
/// | has other credentials | the layer refuses it | the layer refuses it |
/// | has no credentials, and the layer is optional | 401 | `None` |
/// | is a preflight that `allow_preflight` lets pass | 401 | 401, or `None` if the layer is optional |
/// | is for an excluded path, or for a route without the layer | 500 | 500 |
///
/// [`Error::diagnosis`](auth0_api::Error::diagnosis) names the field that does not fit; the client is not
/// told.
#[derive(Clone)]
pub struct Verified<C = Untyped> {
    token: VerifiedToken,
    claims: C,
    layer: LayerPolicy,
    /// When the request came to the layer.
    arrived: Instant,
}

/// Claims that are not deserialized. The default of [`Verified`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Untyped;

/// The types of claims for [`Verified`]: every type that serde can deserialize, and [`Untyped`].
pub trait ClaimsType: Sized {
    /// Reads the claims of a token.
    ///
    /// # Errors
    ///
    /// `invalid_token` if they do not fit the type.
    fn read(token: &VerifiedToken) -> Result<Self, Error>;
}

impl<C: DeserializeOwned> ClaimsType for C {
    fn read(token: &VerifiedToken) -> Result<Self, Error> {
        token.claims_as()
    }
}

impl ClaimsType for Untyped {
    fn read(_: &VerifiedToken) -> Result<Self, Error> {
        Ok(Untyped)
    }
}

impl<C: ClaimsType> Verified<C> {
    /// Reads the token from the extensions of a request that passed the layer, for stacks other than axum.
    ///
    /// # Errors
    ///
    /// The table of [`Verified`] lists them.
    pub fn from_extensions(extensions: &Extensions) -> Result<Self, Refusal> {
        let mark = Mark::of(extensions)?;
        Verified::new(mark, mark.token()?)
    }

    /// As [`from_extensions`](Self::from_extensions), but `None` for a request without credentials that an
    /// optional layer let pass.
    ///
    /// # Errors
    ///
    /// The table of [`Verified`] lists them.
    pub fn optional_from_extensions(extensions: &Extensions) -> Result<Option<Self>, Refusal> {
        let mark = Mark::of(extensions)?;
        let token = mark.optional_token()?;
        token.map(|token| Verified::new(mark, token)).transpose()
    }

    pub(crate) fn new(mark: &Mark, token: &VerifiedToken) -> Result<Self, Refusal> {
        let claims = C::read(token).map_err(|error| mark.layer.refusal(error))?;
        Ok(Verified {
            token: token.clone(),
            claims,
            layer: mark.layer.clone(),
            arrived: mark.arrived,
        })
    }
}

impl<C> Verified<C> {
    /// The claims as the type `C`.
    pub fn claims(&self) -> &C {
        &self.claims
    }

    /// The claims as the type `C`, by value.
    pub fn into_claims(self) -> C {
        self.claims
    }

    /// Requires a further policy of the token. The refusal names the scopes of the layer and of this policy,
    /// so that a client can ask for all of them at once (RFC 6750 section 3.1).
    ///
    /// ```
    /// use a0_tower::{Refusal, Verified};
    /// use auth0_api::Policy;
    ///
    /// async fn delete(token: Verified) -> Result<&'static str, Refusal> {
    ///     token.require(&Policy::scope("delete:orders"))?;
    ///     Ok("deleted")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of [`VerifiedToken::authorize`].
    pub fn require(&self, policy: &Policy) -> Result<(), Refusal> {
        self.layer.require(self.token(), policy)
    }

    /// The moment at which the token expires, for a body or a WebSocket that may last longer. See
    /// [`guard`](crate::guard). It is `exp`, without the leeway of the client: a token that was accepted after
    /// its `exp` has expired at once. It counts from the arrival of the request at the layer, whenever this is
    /// called.
    ///
    /// ```
    /// use a0_tower::Verified;
    /// use a0_tower::guard::AtExpiry;
    /// use axum::body::Body;
    ///
    /// async fn events(token: Verified) -> Body {
    ///     let events = Body::from("data: hello\n\n");
    ///     Body::new(token.expiry().body(events, AtExpiry::End))
    /// }
    /// ```
    pub fn expiry(&self) -> Expiry {
        match self.token.expires_at() {
            Ok(Some(exp)) => self.expiry_at(exp),
            // A verified token has an `exp`.
            _ => Expiry::after(Duration::ZERO),
        }
    }

    /// The moment `end`, for a stream that ends at another time than `exp`, for example at
    /// [`accepted_until`](VerifiedToken::accepted_until). It counts from the arrival of the request at the
    /// layer, as [`expiry`](Self::expiry) does.
    pub fn expiry_at(&self, end: NumericDate) -> Expiry {
        Expiry::since(self.arrived, end, self.token.verified_at())
    }

    /// The token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }
}

impl<C> Deref for Verified<C> {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        self.token()
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
