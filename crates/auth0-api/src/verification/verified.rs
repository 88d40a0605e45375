//! What a verified token says.

use std::fmt;
use std::sync::Arc;

use a0_act::{CurrentActor, DelegationChain};
use a0_jose::json::Node;
use a0_jose::{ClaimError, Claims, NumericDate};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::challenger::Challenger;
use crate::error::{Error, TokenError};
use crate::refusal::Refusal;
use crate::verification::scheme::Scheme;
use crate::verification::token_cache::Known;

/// The claims of an access token that was verified. Only verification makes one.
///
/// A typed accessor gives an error, never "absent", for a claim that is there with a wrong type.
/// `Debug` shows the names of the claims and no value.
#[derive(Clone)]
pub struct VerifiedToken {
    token: Arc<Known>,
    challenger: Challenger,
    scheme: Scheme,
}

impl VerifiedToken {
    /// `challenger` and `scheme` are for the errors of the accessors.
    pub(crate) fn new(token: Arc<Known>, challenger: Challenger, scheme: Scheme) -> Self {
        VerifiedToken {
            token,
            challenger,
            scheme,
        }
    }

    fn claims(&self) -> &Claims {
        self.token.token.claims()
    }

    pub(crate) fn known(&self) -> &Known {
        &self.token
    }

    /// A claim that cannot be used refuses the token, with the challenge that goes with it.
    fn refused(&self, error: impl Into<Refusal>) -> Error {
        self.challenger.challenged(error.into(), Some(self.scheme))
    }

    /// A claim by name, of whatever type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims().get(name)
    }

    /// All claims, as a JSON object. The order of members is not kept.
    pub fn as_object(&self) -> &Map<String, Value> {
        self.claims().as_object()
    }

    /// `iss` (RFC 7519 section 4.1.1), always one of the allowed issuers.
    ///
    /// # Errors
    ///
    /// `invalid_token` for a wrong type, as for all that follow.
    pub fn issuer(&self) -> Result<Option<&str>, Error> {
        self.claims().issuer().map_err(|error| self.refused(error))
    }

    /// `sub` (RFC 7519 section 4.1.2): the user, or the client itself. See
    /// [`is_machine`](VerifiedToken::is_machine).
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn subject(&self) -> Result<Option<&str>, Error> {
        self.claims().subject().map_err(|error| self.refused(error))
    }

    /// `aud` (RFC 7519 section 4.1.3), one or several.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn audiences(&self) -> Result<Vec<&str>, Error> {
        Ok(self
            .claims()
            .audiences()
            .map_err(|error| self.refused(error))?
            .unwrap_or_default())
    }

    /// `exp` (RFC 7519 section 4.1.4).
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn expires_at(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .expires_at()
            .map_err(|error| self.refused(error))
    }

    /// `iat` (RFC 7519 section 4.1.6).
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn issued_at(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .issued_at()
            .map_err(|error| self.refused(error))
    }

    /// `nbf` (RFC 7519 section 4.1.5).
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn not_before(&self) -> Result<Option<NumericDate>, Error> {
        self.claims()
            .not_before()
            .map_err(|error| self.refused(error))
    }

    /// `jti` (RFC 7519 section 4.1.7).
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn token_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .token_id()
            .map_err(|error| self.refused(error))
    }

    /// The values of `scope` (RFC 8693 section 4.2), which are separated by spaces; none where it is
    /// absent. Compare whole values: `read:things` is not a part of `read:things-all`.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn scopes(&self) -> Result<Vec<&str>, Error> {
        let scope = self
            .claims()
            .string("scope")
            .map_err(|error| self.refused(error))?;
        let scope = scope.unwrap_or_default();
        Ok(scope.split(' ').filter(|value| !value.is_empty()).collect())
    }

    /// `permissions`, which Auth0 adds where an API uses its role-based access control.
    ///
    /// # Errors
    ///
    /// For anything but an array of strings.
    pub fn permissions(&self) -> Result<Vec<&str>, Error> {
        let one = self.claims().members().get("permissions");
        let permissions = match one.and_then(Node::as_str) {
            Some(_) => Err(ClaimError::new("permissions", "an array")),
            None => self.claims().strings("permissions"),
        };
        Ok(permissions
            .map_err(|error| self.refused(error))?
            .unwrap_or_default())
    }

    /// `azp` (OpenID Connect Core 1.0 section 2): the client, in Auth0's default token profile.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn authorized_party(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("azp")
            .map_err(|error| self.refused(error))
    }

    /// `client_id` (RFC 8693 section 4.3): the client, in the profile of RFC 9068.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn client_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("client_id")
            .map_err(|error| self.refused(error))
    }

    /// `org_id`: the Auth0 organization that the user logged in to.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn organization_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("org_id")
            .map_err(|error| self.refused(error))
    }

    /// `org_name`: the name of that organization, where the tenant adds it.
    ///
    /// # Errors
    ///
    /// For a wrong type.
    pub fn organization_name(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("org_name")
            .map_err(|error| self.refused(error))
    }

    /// `cnf` (RFC 7800 section 3.1): what the token is bound to.
    ///
    /// # Errors
    ///
    /// For anything but an object.
    pub fn confirmation(&self) -> Result<Option<&Map<String, Value>>, Error> {
        match self.claims().get("cnf") {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.refused(ClaimError::new("cnf", "an object"))),
        }
    }

    /// Who acts for the subject now: the outermost `act` (RFC 8693 section 4.1), and the only actor
    /// that may decide access.
    ///
    /// # Errors
    ///
    /// `invalid_token` for an `act` that is no object, or has no usable `sub`.
    pub fn current_actor(&self) -> Result<Option<CurrentActor<'_>>, Error> {
        a0_act::get_current_actor(self.as_object()).map_err(|error| self.refused(error))
    }

    /// All actors, newest first (RFC 8693 section 4.1): history, for a log.
    ///
    /// # Errors
    ///
    /// As for [`current_actor`](VerifiedToken::current_actor), at every level.
    pub fn delegation_chain(&self) -> Result<DelegationChain<'_>, Error> {
        a0_act::get_delegation_chain(self.as_object()).map_err(|error| self.refused(error))
    }

    /// Whether a client got this token for itself, without a user (RFC 6749 section 4.4): Auth0 says
    /// so in `gty`, or by a `sub` that ends with `@clients`; in the profile of RFC 9068 `sub` is the
    /// client's identifier.
    ///
    /// Where users and clients have different rights, ask this before `sub` (RFC 9700 section 4.15).
    ///
    /// # Errors
    ///
    /// For a wrong type of one of the claims that tell: `gty`, `sub`, `azp`, `client_id`.
    pub fn is_machine(&self) -> Result<bool, Error> {
        let grants = self
            .claims()
            .strings("gty")
            .map_err(|error| self.refused(error))?;
        let subject = self.subject()?;
        let parties = [self.authorized_party()?, self.client_id()?];
        let by_grant = grants.is_some_and(|grants| grants.contains(&"client-credentials"));
        // A user's `sub` has its connection in front, with a bar.
        let by_name = subject.is_some_and(|sub| sub.ends_with("@clients") && !sub.contains('|'));
        let itself = subject.is_some_and(|sub| !sub.is_empty()) && parties.contains(&subject);
        Ok(by_grant || by_name || itself)
    }

    /// All claims, as a type of your own.
    ///
    /// # Errors
    ///
    /// `invalid_token` where the claims do not fit it.
    pub fn claims_as<C: DeserializeOwned>(&self) -> Result<C, Error> {
        // The reason could hold a claim's value, so it is not kept.
        C::deserialize(&Value::Object(self.as_object().clone()))
            .map_err(|_| self.refused(TokenError::ClaimsForm))
    }

    /// This token together with its claims as a type of your own.
    ///
    /// # Errors
    ///
    /// As for [`claims_as`](VerifiedToken::claims_as).
    pub fn typed<C: DeserializeOwned>(self) -> Result<Verified<C>, Error> {
        let claims = self.claims_as()?;
        Ok(Verified {
            token: self,
            claims,
        })
    }
}

/// Two tokens are equal if their claims are.
impl PartialEq for VerifiedToken {
    fn eq(&self, other: &Self) -> bool {
        self.claims() == other.claims()
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedToken")
            .field("claims", self.claims())
            .finish()
    }
}

/// A verified token with its claims as a type of the API's own. Only verification makes one, so a
/// handler that takes it cannot be reached without.
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
    /// The claims, in their type.
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
