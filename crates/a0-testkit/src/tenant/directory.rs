//! The users that can log in, and the APIs that tokens are for.

use serde_json::{Map, Value};

use super::LocalTenant;

/// A user of a tenant, for [`LocalTenant::add_user`].
///
/// ```
/// use a0_testkit::{LocalTenant, User};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// tenant.add_user(
///     User::new("auth0|ada")
///         .name("Ada")
///         .email("ada@example.com")
///         .access_token_claim("permissions", vec!["read:things"]),
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct User {
    pub(super) subject: String,
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) claims: Map<String, Value>,
    pub(super) access_token_claims: Map<String, Value>,
}

impl User {
    /// A user with this `sub`, for example `auth0|ada`.
    #[must_use]
    pub fn new(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            name: None,
            email: None,
            claims: Map::new(),
            access_token_claims: Map::new(),
        }
    }

    /// Sets the name: shown on the login page, and the claim `name` of ID tokens with the scope
    /// `profile`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Sets the e-mail address: the claim `email` of ID tokens with the scope `email`.
    #[must_use]
    pub fn email(mut self, email: &str) -> Self {
        self.email = Some(email.to_owned());
        self
    }

    /// Sets a claim of every ID token of this user.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Sets a claim of every access token that a client gets for this user by a login or a refresh.
    #[must_use]
    pub fn access_token_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.access_token_claims
            .insert(name.to_owned(), value.into());
        self
    }

    /// Whether this is the user's `sub` or e-mail address.
    pub(super) fn is_named(&self, hint: &str) -> bool {
        self.subject == hint || self.email.as_deref() == Some(hint)
    }

    /// What the login page calls the user.
    pub(super) fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.subject)
    }
}

/// An API of a tenant, for [`LocalTenant::add_api`].
#[derive(Debug, Clone)]
pub struct Api {
    pub(super) identifier: String,
    pub(super) scopes: Vec<String>,
}

impl Api {
    /// An API with this identifier: the value of `audience` or `resource`, compared octet for octet.
    #[must_use]
    pub fn new(identifier: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            scopes: Vec::new(),
        }
    }

    /// Adds a scope that a token for this API may have.
    #[must_use]
    pub fn scope(mut self, scope: &str) -> Self {
        self.scopes.push(scope.to_owned());
        self
    }

    /// Adds scopes that a token for this API may have.
    #[must_use]
    pub fn scopes<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        scopes.into_iter().fold(self, Self::scope)
    }
}

impl LocalTenant {
    /// Adds a user, in place of an earlier one with the same `sub`. The first user is the one that
    /// [`Login::Automatic`](crate::Login::Automatic) logs in. A tenant without users has one with
    /// the `sub` `auth0|user`.
    pub fn add_user(&self, user: User) {
        self.with_state(|state| {
            let users = &mut state.directory.users;
            match users.iter_mut().find(|other| other.subject == user.subject) {
                Some(other) => *other = user,
                None => users.push(user),
            }
        });
    }

    /// Adds an API, in place of an earlier one with the same identifier.
    ///
    /// From the first API on, the tenant issues tokens for its APIs alone, and a token has no other
    /// scopes than those of its API. A tenant without APIs issues tokens for any audience and any
    /// scope.
    pub fn add_api(&self, api: Api) {
        self.with_state(|state| {
            let apis = &mut state.directory.apis;
            match apis
                .iter_mut()
                .find(|other| other.identifier == api.identifier)
            {
                Some(other) => *other = api,
                None => apis.push(api),
            }
        });
    }
}

/// Scopes of OpenID Connect, which belong to no API.
pub(super) const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

#[derive(Default)]
pub(super) struct Directory {
    users: Vec<User>,
    apis: Vec<Api>,
}

impl Directory {
    /// Never empty.
    pub(super) fn users(&self) -> Vec<User> {
        if self.users.is_empty() {
            return vec![User::new("auth0|user")];
        }
        self.users.clone()
    }

    pub(super) fn user(&self, subject: &str) -> Option<User> {
        self.users()
            .into_iter()
            .find(|user| user.subject == subject)
    }

    /// Whether the tenant issues tokens for this audience.
    pub(super) fn serves(&self, audience: &str) -> bool {
        self.apis.is_empty() || self.api(audience).is_some()
    }

    /// Of the requested scopes those that a token for this audience may have, in their order.
    pub(super) fn grantable(&self, audience: Option<&str>, requested: &[&str]) -> Vec<String> {
        let api = audience.and_then(|audience| self.api(audience));
        let mut granted: Vec<String> = Vec::new();
        for scope in requested {
            let allowed = OPENID_SCOPES.contains(scope)
                || self.apis.is_empty()
                || api.is_some_and(|api| api.scopes.iter().any(|other| other == scope));
            if allowed && !granted.iter().any(|other| other == scope) {
                granted.push((*scope).to_owned());
            }
        }
        granted
    }

    fn api(&self, identifier: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.identifier == identifier)
    }
}
