//! The claims of a verified token, by name.

use std::fmt;

use a0_act::{CurrentActor, DelegationChain, EntityProfile};
use a0_jose::ClaimError;
use a0_jose::json::Node;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::authorization::principal;
use crate::error::refusal::Refusal;
use crate::error::{Error, TokenError};

use super::detail::Detail;
use super::token::VerifiedToken;
use super::typed::Verified;

impl VerifiedToken {
    /// Returns a claim by name, whatever its type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims().get(name)
    }

    /// Returns all claims as a JSON object. It does not keep the order of the members.
    pub fn as_object(&self) -> &Map<String, Value> {
        self.claims().as_object()
    }

    /// The value of a claim that is a string.
    pub(crate) fn text_claim(&self, name: &str) -> Option<&str> {
        self.claims().members().get(name).and_then(Node::as_str)
    }

    /// `iss` (RFC 7519 section 4.1.1): one of the allowed issuers.
    ///
    /// # Errors
    ///
    /// `invalid_token` for a wrong type. The same holds for the other accessors.
    pub fn issuer(&self) -> Result<Option<&str>, Error> {
        self.claims().issuer().map_err(|error| self.refused(error))
    }

    /// `sub` (RFC 7519 section 4.1.2): the user, or the client itself; see
    /// [`is_machine`](VerifiedToken::is_machine).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn subject(&self) -> Result<Option<&str>, Error> {
        self.claims().subject().map_err(|error| self.refused(error))
    }

    /// `aud` (RFC 7519 section 4.1.3): one value or several.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn audiences(&self) -> Result<Vec<&str>, Error> {
        Ok(self
            .claims()
            .audiences()
            .map_err(|error| self.refused(error))?
            .unwrap_or_default())
    }

    /// `jti` (RFC 7519 section 4.1.7).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn token_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .token_id()
            .map_err(|error| self.refused(error))
    }

    /// The values of `scope` (RFC 8693 section 4.2), split at spaces; empty if the claim is absent. Compare
    /// whole values, not prefixes or substrings: `read:things` does not imply `read:things-all`.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn scopes(&self) -> Result<Vec<&str>, Error> {
        let scope = self
            .claims()
            .string("scope")
            .map_err(|error| self.refused(error))?;
        let scope = scope.unwrap_or_default();
        Ok(scope.split(' ').filter(|value| !value.is_empty()).collect())
    }

    /// Whether `scope` contains a value. Values are compared as a whole (RFC 6749 section 3.3).
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn has_scope(&self, value: &str) -> Result<bool, Error> {
        Ok(self.scopes()?.contains(&value))
    }

    /// `permissions`, which Auth0 adds if role-based access control is enabled for the API.
    ///
    /// # Errors
    ///
    /// If the claim is not an array of strings.
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

    /// `azp` (OpenID Connect Core 1.0 section 2): the client, in tokens of Auth0's default profile.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn authorized_party(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("azp")
            .map_err(|error| self.refused(error))
    }

    /// `client_id` (RFC 8693 section 4.3): the client, in tokens of the RFC 9068 profile.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn client_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("client_id")
            .map_err(|error| self.refused(error))
    }

    /// `sub_profile`: the kinds of entity that `sub` names, in the tokens of Auth0's agents. It is a list: ask
    /// [`contains`](EntityProfile::contains). [`principal`](VerifiedToken::principal) judges it together with
    /// the other claims.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn sub_profile(&self) -> Result<Option<EntityProfile<'_>>, Error> {
        self.profile("sub_profile")
    }

    /// `client_profile`: the kinds of entity that the client is, in the tokens of Auth0's agents.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn client_profile(&self) -> Result<Option<EntityProfile<'_>>, Error> {
        self.profile("client_profile")
    }

    fn profile(&self, name: &'static str) -> Result<Option<EntityProfile<'_>>, Error> {
        let text = self.claims().string(name);
        let text = text.map_err(|error| self.refused(error))?;
        Ok(text.map(EntityProfile::new))
    }

    /// `org_id`: the Auth0 organization that the user logged in to.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn organization_id(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("org_id")
            .map_err(|error| self.refused(error))
    }

    /// `org_name`: the name of that organization, if the tenant adds it.
    ///
    /// # Errors
    ///
    /// If the claim has a wrong type.
    pub fn organization_name(&self) -> Result<Option<&str>, Error> {
        self.claims()
            .string("org_name")
            .map_err(|error| self.refused(error))
    }

    /// `cnf` (RFC 7800 section 3.1): the key or the certificate that the token is bound to.
    ///
    /// # Errors
    ///
    /// If the claim is not an object.
    pub fn confirmation(&self) -> Result<Option<&Map<String, Value>>, Error> {
        match self.claims().get("cnf") {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.refused(ClaimError::new("cnf", "an object"))),
        }
    }

    /// The actor that acts for the subject now: the outermost `act` (RFC 8693 section 4.1). Access decisions
    /// may use this actor only. The token of a plain login can have one too: it says who acts, and not how
    /// the token was made.
    ///
    /// # Errors
    ///
    /// `invalid_token` if `act` is not an object or has no usable `sub`.
    pub fn current_actor(&self) -> Result<Option<CurrentActor<'_>>, Error> {
        a0_act::get_current_actor(self.as_object()).map_err(|error| self.refused(error))
    }

    /// All actors, newest first (RFC 8693 section 4.1). Prior actors are history, for a log.
    ///
    /// # Errors
    ///
    /// The errors of [`current_actor`](VerifiedToken::current_actor), for every level.
    pub fn delegation_chain(&self) -> Result<DelegationChain<'_>, Error> {
        a0_act::get_delegation_chain(self.as_object()).map_err(|error| self.refused(error))
    }

    /// Whether the subject is a client that got this token for itself, without a user (RFC 6749 section 4.4),
    /// or an agent. Auth0 shows that in `gty`, by a `sub` that ends with `@clients` and contains no `|`, or in `sub_profile`:
    /// `service`, `ai_agent`. In the RFC 9068 profile, `sub` is the identifier of the client.
    ///
    /// If users and clients have different rights, call this before you use `sub` (RFC 9700 section 4.15).
    /// [`principal`](VerifiedToken::principal) also tells agents and anonymous sessions.
    ///
    /// # Errors
    ///
    /// If one of `gty`, `sub`, `azp`, `client_id` and `sub_profile` has a wrong type.
    pub fn is_machine(&self) -> Result<bool, Error> {
        principal::is_machine(self.claims()).map_err(|error| self.refused(error))
    }

    /// Deserializes all claims into your own type.
    ///
    /// # Errors
    ///
    /// `invalid_token` if the claims do not fit the type. [`Error::diagnosis`] names the field.
    pub fn claims_as<C: DeserializeOwned>(&self) -> Result<C, Error> {
        let claims = self.as_object();
        // Only the second run keeps track of the path to a field, which costs allocations.
        let typed = C::deserialize(claims).or_else(|_| serde_path_to_error::deserialize(claims));
        typed.map_err(|error| {
            let refusal = Refusal::from(TokenError::ClaimsForm);
            let detail = Detail::of_typed_claims(&error.path().to_string(), error.inner());
            self.refused(refusal.with_diagnosis(detail))
        })
    }

    /// Combines this token with its claims as your own type.
    ///
    /// # Errors
    ///
    /// The errors of [`claims_as`](VerifiedToken::claims_as).
    pub fn typed<C: DeserializeOwned>(self) -> Result<Verified<C>, Error> {
        let claims = self.claims_as()?;
        Ok(Verified::new(self, claims))
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
